#!/usr/bin/env python3
"""Runs Presidio over JSON lines {"text"}, for the benchmark to compare: presidio.py < in > out

Writes {"spans": [{"start", "end"}], "cpu_seconds"} for each; offsets are code points. With its
defaults, one thread, and the spaCy model that is installed.
"""
import json
import sys
import time

from presidio_analyzer import AnalyzerEngine

analyzer = AnalyzerEngine()
analyzer.analyze("warm up", language="en")
for line in sys.stdin:
    text = json.loads(line)["text"]
    start = time.process_time()
    found = analyzer.analyze(text, language="en")
    seconds = time.process_time() - start
    spans = [{"start": span.start, "end": span.end} for span in found]
    print(json.dumps({"spans": spans, "cpu_seconds": seconds}))
