"""Optical flow, where it can be trusted, warping along it, and cuts between shots."""
