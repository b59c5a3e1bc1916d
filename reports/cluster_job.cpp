#include "reports/cluster_job.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>
#include <algorithm>

namespace windtunnel {

namespace {

constexpr const char* folder = "/work";

/// Text that stays text even where it looks like a number: marked here, quoted by emit().
YAML::Node text(const std::string& value) {
    YAML::Node node(value);
    node.SetTag("!");  // as the parser tags what was quoted
    return node;
}

/// yaml-cpp's own writer quotes what would be no scalar, but not what would be a number.
void emit(YAML::Emitter& out, const YAML::Node& node) {
    if (node.IsMap()) {
        out << YAML::BeginMap;
        for (const auto& entry : node) {
            out << YAML::Key << entry.first.Scalar() << YAML::Value;
            emit(out, entry.second);
        }
        out << YAML::EndMap;
    } else if (node.IsSequence()) {
        out << YAML::BeginSeq;
        for (const auto& item : node) emit(out, item);
        out << YAML::EndSeq;
    } else {
        if (node.Tag() == "!") out << YAML::DoubleQuoted;
        out << node.Scalar();
    }
}

YAML::Node words(const std::vector<std::string>& values) {
    YAML::Node list(YAML::NodeType::Sequence);
    for (const std::string& v : values) list.push_back(text(v));
    return list;
}

YAML::Node metadata(const ClusterJob& job) {
    YAML::Node out;
    out["name"] = text(job.name);
    if (!job.name_space.empty()) out["namespace"] = text(job.name_space);
    out["labels"]["app.kubernetes.io/name"] = "windtunnel";
    out["labels"]["app.kubernetes.io/version"] = text(job.version);
    return out;
}

YAML::Node container(const ClusterJob& job, std::uint32_t cpus) {
    YAML::Node out;
    out["name"] = "windtunnel";
    out["image"] = text(job.image);
    out["workingDir"] = folder;
    for (const char* kind : {"requests", "limits"}) {
        out["resources"][kind]["cpu"] = text(std::to_string(cpus));
        out["resources"][kind]["memory"] = text(job.memory);
    }
    YAML::Node mount;
    mount["name"] = "work";
    mount["mountPath"] = folder;
    out["volumeMounts"].push_back(mount);
    return out;
}

YAML::Node pod_spec(const ClusterJob& job, const YAML::Node& container) {
    YAML::Node out, volume;
    volume["name"] = "work";
    volume["persistentVolumeClaim"]["claimName"] = text(job.claim);
    out["containers"].push_back(container);
    out["volumes"].push_back(volume);
    return out;
}

std::string emitted(const std::string& comment, const YAML::Node& document) {
    YAML::Emitter out;
    out << YAML::Comment(comment) << YAML::Newline;
    emit(out, document);
    return std::string(out.c_str()) + "\n";
}

}  // namespace

std::string indexed_job_yaml(const ClusterJob& job) {
    YAML::Node pod = container(job, job.threads);
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), job.arguments.begin(), job.arguments.end());
    // The kubelet puts the index in: the Job controller gives it to every container as JOB_COMPLETION_INDEX.
    for (const std::string& word :
         {std::string("-q"), std::string("-j"), std::to_string(job.threads), std::string("--shard"),
          fmt::format("$(JOB_COMPLETION_INDEX)/{}", job.parts), std::string("--out"),
          job.name + ".part-$(JOB_COMPLETION_INDEX).jsonl"})
        arguments.push_back(word);
    pod["command"].push_back("windtunnel");
    pod["args"] = words(arguments);

    YAML::Node input_error, disruption, condition, out;
    input_error["action"] = "FailIndex";
    input_error["onExitCodes"]["containerName"] = "windtunnel";
    input_error["onExitCodes"]["operator"] = "In";
    for (const int code : {1, 2}) input_error["onExitCodes"]["values"].push_back(code);
    condition["type"] = "DisruptionTarget";
    disruption["action"] = "Ignore";
    disruption["onPodConditions"].push_back(condition);

    out["apiVersion"] = "batch/v1";
    out["kind"] = "Job";
    out["metadata"] = metadata(job);
    YAML::Node spec = out["spec"];
    spec["completionMode"] = "Indexed";
    spec["completions"] = job.parts;
    spec["parallelism"] = job.parts;
    spec["backoffLimitPerIndex"] = 6;
    spec["maxFailedIndexes"] = 0;
    spec["podFailurePolicy"]["rules"].push_back(input_error);
    spec["podFailurePolicy"]["rules"].push_back(disruption);
    spec["template"]["metadata"]["labels"]["app.kubernetes.io/name"] = "windtunnel";
    spec["template"]["spec"] = pod_spec(job, pod);
    spec["template"]["spec"]["restartPolicy"] = "Never";
    return emitted(fmt::format("{0} parts of one run, a pod each. A pod that is evicted or dies goes on where it was.\n"
                               "When all have finished, where the claim {1} is mounted:\n"
                               "  windtunnel merge {2}.part-*.jsonl --out results.json",
                               job.parts, job.claim, job.name),
                   out);
}

std::string mpi_job_yaml(const ClusterJob& job) {
    const std::uint32_t ranks = job.parts * job.threads;
    YAML::Node launcher = container(job, 1), worker = container(job, job.threads), out;
    std::vector<std::string> command = {"mpirun", "--allow-run-as-root", "-n", std::to_string(ranks), "windtunnel-mpi",
                                        "run"};
    command.insert(command.end(), job.arguments.begin(), job.arguments.end());
    for (const std::string& word : {std::string("-o"), std::string("json"), std::string("--checkpoint"),
                                    job.name + ".checkpoint.jsonl", std::string("--out"), job.name + ".results.json"})
        command.push_back(word);
    launcher["command"] = words(command);

    out["apiVersion"] = "kubeflow.org/v2beta1";
    out["kind"] = "MPIJob";
    out["metadata"] = metadata(job);
    YAML::Node spec = out["spec"];
    spec["slotsPerWorker"] = job.threads;
    spec["runPolicy"]["cleanPodPolicy"] = "Running";
    spec["runPolicy"]["backoffLimit"] = 6;
    YAML::Node kinds = spec["mpiReplicaSpecs"];
    kinds["Launcher"]["replicas"] = 1;
    kinds["Launcher"]["template"]["spec"] = pod_spec(job, launcher);
    kinds["Worker"]["replicas"] = job.parts;
    kinds["Worker"]["template"]["spec"] = pod_spec(job, worker);
    return emitted(fmt::format("One run over {} MPI ranks. When a rank is lost the launcher is started again and goes on from\n"
                               "the checkpoint. The results are {}.results.json in the claim {}.",
                               ranks, job.name, job.claim),
                   out);
}

std::string object_name_of(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            out += c;
        else if (c >= 'A' && c <= 'Z')
            out += static_cast<char>(c - 'A' + 'a');
        else if (!out.empty() && out.back() != '-')
            out += '-';
    }
    out.resize(std::min<std::size_t>(out.size(), 52));  // pods add an index and five characters to 63
    while (!out.empty() && out.back() == '-') out.pop_back();
    return out.empty() ? "windtunnel" : out;
}

}  // namespace windtunnel
