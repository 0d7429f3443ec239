"""The platform port: what an adapter implements, says about itself, and is given.

`ports` holds the protocols, `manifest` what an account can do as data, `hooks` the plugin hooks, `discovery` finds
plugins, `accounts` opens their adapters, `http` is their HTTP client, `governor` keeps to the platforms' limits.
"""
