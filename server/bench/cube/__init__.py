"""Measures the pixel engine beside its peers: `prismcube bench cube`.

server/cli/bench_cube.py       parses and prints
  -> measure.measure           every case: each engine in a process of its own, in turns
       -> scenes               the images, made once
       -> cases                what is asked of them, and the bars
       -> archive              the same images as a catalogue of ours and as STAC items
       -> engines/             one module an engine, ours among them
       -> judge                the pixels that all are held against
       -> slow_server          HTTP with 30 ms a request, which counts
       -> workers              the processes: time, memory, differences
       -> limits               what decoding, warping and copying would cost alone
report.py                      what comes of it
"""
