"""Is this device fit to guard its line? Every check looks at the real thing and says what to do."""
