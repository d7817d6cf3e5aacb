"""The encrypted file of secrets in a project: `groundcrew secrets`, and what runs read from it.

Names are in clear, so that a diff shows what has changed; each value is encrypted by itself with
age (https://age-encryption.org).
"""
