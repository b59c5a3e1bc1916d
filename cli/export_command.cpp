#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/run_flags.hpp"
#include "models/version.hpp"
#include "reports/atomic_file.hpp"
#include "reports/cluster_job.hpp"

#include <fmt/format.h>
#include <filesystem>
#include <memory>

namespace windtunnel {

namespace {

struct ExportFlags {
    RunFlags run;
    ClusterJob job;
};

using Writer = std::string (*)(const ClusterJob&);

/// Files are looked for below the folder that the claim holds; there is no standard input.
Problems problems_of_paths(const RunFlags& flags) {
    Problems problems;
    std::vector<std::string> files = flags.manifests;
    files.push_back(flags.scenario);
    files.push_back(flags.trace);
    files.insert(files.end(), flags.profiles.begin(), flags.profiles.end());
    for (const std::string& file : files) {
        if (file.empty()) continue;
        const std::filesystem::path path = std::filesystem::path(file).lexically_normal();
        if (file == "-" || path.is_absolute() || *path.begin() == "..")
            problems.push_back({{file, 0, 0},
                                "",
                                "cannot be found by the pods, allowed: a path below the current folder, whose content the "
                                "claim holds"});
    }
    return problems;
}

/// The same run, as its pods are told.
std::vector<std::string> arguments_of(const RunFlags& flags, const LoadedRun& run) {
    std::vector<std::string> out;
    const auto add = [&](const char* flag, const std::string& value) {
        if (!value.empty()) out.insert(out.end(), {flag, value});
    };
    if (!flags.scenario.empty()) out.push_back(flags.scenario);
    for (const std::string& m : flags.manifests) add("-f", m);
    add("-t", flags.trace);
    for (const std::string& p : flags.profiles) add("--profile", p);
    for (const std::string& a : flags.assignments) add("--set", a);
    if (flags.duration_s) add("--duration", fmt::format("{}", *flags.duration_s));
    add("--start", flags.start);
    add("--seed", std::to_string(run.seed));
    add("--trials", std::to_string(run.trials));
    if (flags.server != "fast") add("--server", flags.server);
    return out;
}

int run_export(ExportFlags& flags, Writer write) {
    Problems problems = problems_of_flags(flags.run);
    for (Problem& p : problems_of_paths(flags.run)) problems.push_back(std::move(p));
    if (flags.run.precision || flags.run.max_trials)
        problems.push_back({{}, "--precision", "found, allowed: --trials N"});
    if (flags.job.parts < 1 || flags.job.parts > 100'000)
        problems.push_back({{}, "", fmt::format("found {} pods, allowed: 1 to 100000", flags.job.parts)});
    if (!problems.empty()) {
        print_errors(problems);
        return bad_input;
    }
    const Result<LoadedRun> run = load_run(flags.run);
    if (!run) {
        print_errors(run.problems());
        return bad_input;
    }
    ClusterJob& job = flags.job;
    job.name = object_name_of(job.name.empty() ? "windtunnel-" + run->scenario.name : job.name);
    job.threads = static_cast<std::uint32_t>(std::max(flags.run.threads, 1));
    job.arguments = arguments_of(flags.run, *run);
    job.version = version;
    const std::string yaml = write(job);
    if (flags.run.out.empty()) return print_data(yaml) ? answered : run_broke;
    if (const Problems failed = write_file(flags.run.out, yaml); !failed.empty()) {
        print_errors(failed);
        return bad_input;
    }
    return answered;
}

void add_kind(CLI::App& command, Invocation& invocation, const char* name, const char* what, const char* pods,
              const char* pods_help, Writer write) {
    auto flags = std::make_shared<ExportFlags>();
    CLI::App* kind = command.add_subcommand(name, what);
    constexpr const char* group = "Cluster";
    kind->add_option(pods, flags->job.parts, pods_help)->required()->group(group);
    kind->add_option("--image", flags->job.image, "container image that holds this program")->required()->group(group);
    kind->add_option("--claim", flags->job.claim,
                     "PersistentVolumeClaim that holds the scenario's files and takes the results")
        ->required()
        ->group(group);
    kind->add_option("--memory", flags->job.memory, "memory of a pod")->group(group);
    kind->add_option("--name", flags->job.name, "of the object; default: from the scenario's")->group(group);
    kind->add_option("-n,--namespace", flags->job.name_space, "of the object")->group(group);
    kind->add_option("--out", flags->run.out, "writes the manifest to this file; default: standard output")->group(group);
    add_input_flags(*kind, flags->run);
    add_trial_flags(*kind, flags->run);
    kind->callback([flags, write, &invocation] { invocation.action = [flags, write] { return run_export(*flags, write); }; });
}

}  // namespace

void add_export_command(CLI::App& app, Invocation& invocation) {
    CLI::App* command = app.add_subcommand("export", "Manifests that run many trials on a cluster");
    command->require_subcommand(1);
    add_kind(*command, invocation, "indexed-job", "A Kubernetes Indexed Job: one part of the run per pod", "--shards",
             "pods, and parts of the run", &indexed_job_yaml);
    add_kind(*command, invocation, "mpijob", "An MPIJob of Kubeflow's MPI operator", "--workers",
             "worker pods; each has as many ranks as -j says", &mpi_job_yaml);
    command->footer(
        "\nExamples:\n"
        "  windtunnel export indexed-job scenario.yaml --trials 10000 --shards 20 -j 4 --image registry/windtunnel:0.1 \\\n"
        "      --claim work | kubectl apply -f -\n"
        "  windtunnel export mpijob scenario.yaml --trials 10000 --workers 4 -j 8 --image registry/windtunnel-mpi:0.1 \\\n"
        "      --claim work | kubectl apply -f -\n"
        "Slurm needs no file of its own; a part that is requeued goes on where it was:\n"
        "  sbatch --array=0-19 --cpus-per-task=4 --requeue --wrap \\\n"
        "      'windtunnel run scenario.yaml --trials 10000 -j 4 --shard $SLURM_ARRAY_TASK_ID/20 "
        "--out part-$SLURM_ARRAY_TASK_ID.jsonl'\n");
}

}  // namespace windtunnel
