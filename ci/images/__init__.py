"""Container engines, base images, OCI archives and the root file system of the image `micro`.

What an image needs besides a job belongs here; its jobs are in `builders`. It may import `core`, `manifest` and
`pipeline`.
"""
