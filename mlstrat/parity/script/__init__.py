"""An exported script beside Python: run on charts, measured, asked again elsewhere, and certified."""
