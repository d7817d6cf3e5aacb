"""Whether anything is known against the packages of applications."""
