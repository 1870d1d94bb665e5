"""Pictures of what networks compute, made of panels, from their outputs. Nothing here needs MXNet."""
