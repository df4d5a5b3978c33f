"""Measures jobs: `prismcube bench jobs`.

server/cli/bench_jobs.py     parses and prints
  -> measure                 the cases, one after the other
       -> bare               the ledger alone: tasks a second; a job of 10^6 tasks
       -> latency            a job that has nothing to do, on an idle orchestrator
       -> killing            processes are killed while tasks run; what came of all of them
       -> consolidating      many dates to one file, as users see it; and what readers get before and after
            -> archive       the images (made as those of `server.bench.cube.scenes`), a home folder, its catalogue
       -> line               an orchestrator with the local engine, in a process of its own
       -> tasks              what these jobs do
report.py                    what comes of it: figures beside their bars
"""
