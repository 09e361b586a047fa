"""Templates: subject, HTML and plain text of a message, made from data by designers' sources.

The app's side knows bundles of files, versions and a pool of worker processes; what reads and
renders templates (jinja2, mrml, css-inline, inscriptis) is imported by those processes alone.
"""
