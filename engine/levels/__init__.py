"""The stack of five LoRA levels: adapter files in and out, gains, activity, audit."""
