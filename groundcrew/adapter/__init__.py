"""The only package that replaces parts of pyinfra and paramiko: what a new version of either breaks
is repaired here.

Each module has an `install` for its area, which first checks that the parts are as expected.
"""
