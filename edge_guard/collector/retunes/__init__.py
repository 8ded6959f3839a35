"""Retunes: which labels a stream has, who retunes it, what came of it."""
