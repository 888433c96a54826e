#!/usr/bin/env python3
"""Runs Presidio over JSON lines {"text"}, for the benchmark to compare: presidio.py < in > out

Writes {"spans": [{"start", "end"}], "cpu_seconds", "cold_seconds", "memory_mib"} for each; offsets
are code points. With its defaults, one thread, and the spaCy model that is installed. The cold start
is from the interpreter's to the end of the first text, the memory the most so far.
"""
import json
import resource
import sys
import time

started = time.perf_counter()

from presidio_analyzer import AnalyzerEngine

analyzer = AnalyzerEngine()
analyzer.analyze("Jane Roe lives in Springfield.", language="en")
cold = time.perf_counter() - started
for line in sys.stdin:
    text = json.loads(line)["text"]
    start = time.process_time()
    found = analyzer.analyze(text, language="en")
    seconds = time.process_time() - start
    spans = [{"start": span.start, "end": span.end} for span in found]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"spans": spans, "cpu_seconds": seconds, "cold_seconds": cold, "memory_mib": memory}))
