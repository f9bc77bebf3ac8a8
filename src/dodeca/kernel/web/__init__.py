"""What a person's browser gets: templates, assets, the design system and forms that work without JavaScript."""
