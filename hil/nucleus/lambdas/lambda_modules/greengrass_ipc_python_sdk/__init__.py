"""Runtime modules expected by the Greengrass Core SDK; imported by the worker process only."""
