"""Policies: casbin rules as files, and the one governor that decides by them."""
