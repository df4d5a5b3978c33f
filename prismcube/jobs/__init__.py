"""The ledger of work: jobs, tasks and their dependencies as rows, and the engines that execute them."""
