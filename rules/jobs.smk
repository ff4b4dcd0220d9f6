"""How jobs start on this machine: as forks of a process that has imported their packages.

On a cluster, in containers and in conda environments they start as Snakemake starts them. So do those
that may use a GPU where there is one: CUDA does not survive a fork, and some packages look for cards
when they are imported.

Wherever they start, on a cluster too, they inherit what tells glibc to keep memory that they free.
"""

import time

from snakemake.script import PythonScript

from dejavu import forking

for name, value in forking.KEEPING.items():
    os.environ.setdefault(name, value)

HAS_GPU = forking.has_gpu()


def as_fork(otherwise):
    """What runs a job's script: a fork where it is one of the workflow's own, and may be one."""

    def execute_script(self, fname, edit=False):
        folder, name = os.path.split(os.path.realpath(self.path.get_path_or_uri(secret_free=True)))
        elsewhere = self.conda_env or self.container_img or self.env_modules or self.shadow_dir
        if edit or elsewhere or not self.is_local or folder != os.path.realpath(SCRIPTS):
            return otherwise(self, fname, edit=edit)
        packages = reruns.packages(SCRIPTS, name)
        if HAS_GPU and {"torch", "faiss"} & set(packages):
            return otherwise(self, fname, edit=edit)

        begun = time.time()
        used = forking.run_script(
            fname, ["snakemake.script", *packages], self.threads, self.resources.tmpdir
        )
        record = self.bench_record
        if record is not None:
            # What the system counted: Snakemake would look at the job again and again.
            record.running_time = time.time() - begun
            record.cpu_time, record.max_rss = used.cpu_seconds, used.megabytes
            # In percent of a core.
            record.cpu_usage = 100 * used.cpu_seconds
            record.data_collected = True

    execute_script.otherwise = otherwise
    return execute_script


# Only once, wherever several workflows use this one.
if (
    workflow.is_main_process
    and sys.platform == "linux"
    and not hasattr(PythonScript.execute_script, "otherwise")
):
    PythonScript.execute_script = as_fork(PythonScript.execute_script)
