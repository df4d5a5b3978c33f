"""The pixel engine: CubeRequest → plan → slices. See README.md."""
