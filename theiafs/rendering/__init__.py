"""Events and what is known of them as text: plain values in, lines out; knows neither paths nor handles.

``log`` and ``jsonl`` are views: one line for each event, and the size of each line without rendering it. ``patterns``,
``counts`` and ``histogram`` are summaries. All work on columns, many events at once: a day has more than a million.

Every line is valid UTF-8 without control characters, whatever the events hold: see ``escaping``.
"""
