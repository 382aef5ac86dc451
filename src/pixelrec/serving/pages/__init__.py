"""Pages for people: rendered here, without a build step, inline scripts or requests to other hosts."""
