"""From people's labels to a new bundle with a stated guarantee; needs neither database nor web."""
