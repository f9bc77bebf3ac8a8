"""Benchmarks: what `dodeca bench` runs. Each module has `run(runs, seconds, options, say) -> list[Result]`."""
