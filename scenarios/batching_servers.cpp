#include "scenarios/batching_servers.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "models/step_time.hpp"
#include "scenarios/kubernetes_pods.hpp"
#include "scenarios/other_servers.hpp"

namespace windtunnel {
namespace {

bool runs(const Container& container, const char* part) {
    if (container.image.find(part) != std::string::npos) return true;
    for (const auto* words : {&container.command, &container.args})
        for (const std::string& word : *words)
            if (word.find(part) != std::string::npos) return true;
    return false;
}

/// The first number behind `key` in a text; `key : 8`, `key { value: 8 }`, `"key": 8`.
std::optional<std::int64_t> number_behind(const std::string& text, const std::string& key) {
    std::smatch found;
    if (!std::regex_search(text, found,
                           std::regex("\\b" + key + "\"?\\s*[:={]\\s*(?:value\\s*:\\s*)?([0-9]+)")))
        return std::nullopt;
    return std::stoll(found[1].str());
}

/// What stands between the brackets behind `key`.
std::string block_behind(const std::string& text, const std::string& key, char open, char close) {
    const std::size_t at = text.find(key);
    const std::size_t begin = at == std::string::npos ? at : text.find(open, at);
    if (begin == std::string::npos) return "";
    int depth = 0;
    for (std::size_t i = begin; i < text.size(); ++i) {
        if (text[i] == open) ++depth;
        if (text[i] == close && --depth == 0) return text.substr(begin + 1, i - begin - 1);
    }
    return "";
}

std::vector<std::int32_t> numbers_in(const std::string& text) {
    std::vector<std::int32_t> out;
    const std::regex number("[0-9]{1,6}");
    for (auto i = std::sregex_iterator(text.begin(), text.end(), number); i != std::sregex_iterator(); ++i)
        out.push_back(std::stoi(i->str()));
    return out;
}

std::int32_t bounded(std::int64_t value, std::int64_t most) {
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(value, 1, most));
}

/// Triton's model configuration: max_batch_size 0 = no batching; without dynamic_batching a request is a
/// batch; one instance unless instance_group says more (Triton's model configuration, 2024).
BatchServing triton(const std::string& text) {
    BatchServing out;
    const bool dynamic = text.find("dynamic_batching") != std::string::npos;
    out.max_batch_size = dynamic ? bounded(number_behind(text, "max_batch_size").value_or(1), 100'000) : 1;
    const std::string settings = block_behind(text, "dynamic_batching", '{', '}');
    out.queue_delay_ms =
        static_cast<double>(number_behind(settings, "max_queue_delay_microseconds").value_or(0)) / 1000;
    out.preferred_sizes = numbers_in(block_behind(settings, "preferred_batch_size", '[', ']'));
    const std::string group = block_behind(text, "instance_group", '[', ']');
    out.instances = bounded(number_behind(group, "count").value_or(1), 1024);
    return out;
}
/// TorchServe's config.properties: batchSize 1, maxBatchDelay 100 ms, a worker a model (its documentation,
/// 2024).
BatchServing torchserve(const std::string& text) {
    BatchServing out;
    out.max_batch_size = bounded(number_behind(text, "batchSize").value_or(1), 100'000);
    out.queue_delay_ms = static_cast<double>(number_behind(text, "maxBatchDelay").value_or(100));
    out.instances = bounded(number_behind(text, "minWorkers")
                                .value_or(number_behind(text, "default_workers_per_model").value_or(1)),
                            1024);
    out.delay_from_pick = true;
    return out;
}
/// TensorFlow Serving's batching parameters: 1,000 requests, no wait (its batching guide, 2024).
BatchServing tensorflow(const std::string& text) {
    BatchServing out;
    out.max_batch_size = bounded(number_behind(text, "max_batch_size").value_or(1000), 100'000);
    out.queue_delay_ms = static_cast<double>(number_behind(text, "batch_timeout_micros").value_or(0)) / 1000;
    out.instances = bounded(number_behind(text, "num_batch_threads").value_or(1), 1024);
    return out;
}

}  // namespace

std::optional<ModelServer> read_batching_server(const Container& container, const ShellContext& context,
                                                Findings& findings) {
    struct Kind {
        const char *part, *file, *name;
        BatchServing (*read)(const std::string&);
    };
    constexpr Kind kinds[] = {{"tritonserver", "config.pbtxt", "Triton", triton},
                              {"torchserve", "config.properties", "TorchServe", torchserve},
                              {"tensorflow/serving", "batching", "TensorFlow Serving", tensorflow},
                              {"tensorflow_model_server", "batching", "TensorFlow Serving", tensorflow}};
    for (const Kind& kind : kinds) {
        if (!runs(container, kind.part)) continue;
        for (const auto& [path, text] : context.files) {
            if (path.substr(path.rfind('/') + 1).find(kind.file) == std::string::npos) continue;
            ModelServer server;
            server.engine = "batching";
            server.where = container.where;
            server.path = container.path;
            server.batching = kind.read(text);
            findings.notes.push_back(
                {container.where, container.path,
                 fmt::format("{} batches as {} says: up to {}, {} ms, {} instance(s)", kind.name, path,
                             server.batching->max_batch_size, server.batching->queue_delay_ms,
                             server.batching->instances)});
            return server;
        }
    }
    return std::nullopt;
}

Result<ServerParts> compile_batching_server(const ModelServer& server, const std::string& gpu,
                                            const std::vector<OwnStepTimes>& profiles, CompiledWorkload& facts, Problems& warnings) {
    const BatchServing& b = *server.batching;
    const auto refuse = [&](std::string message) {
        return Problem{server.where, server.path, std::move(message)};
    };
    ServerParts parts;
    parts.kind = ReplicaKind::whole_batches;
    parts.max_num_seqs = b.max_batch_size;
    parts.instances = b.instances;
    parts.queue_delay = from_seconds(b.queue_delay_ms / 1000);
    parts.delay_from_pick = b.delay_from_pick;
    parts.preferred_sizes = b.preferred_sizes;
    parts.block_size = 1024;
    parts.max_model_len =
        static_cast<std::int32_t>(std::min<std::int64_t>(server.max_model_len.value_or(1 << 20), 1 << 20));
    parts.usable_blocks = 1024;
    // A GPU is one device that instances share; CPUs are as many as the limit says, or one for each instance.
    parts.capacity_milli =
        gpu.empty()
            ? static_cast<std::int32_t>(server.cpu_limit_milli.value_or(std::int64_t{1000} * b.instances))
            : 1000;
    if (b.timed()) {
        parts.timed = true;
        parts.batch_base = from_seconds(b.batch_ms.value_or(0) / 1e3);
        parts.batch_request = from_seconds(b.request_ms.value_or(0) / 1e3);
        parts.batch_token = from_seconds(b.token_us.value_or(0) / 1e6);
        if (parts.batch_base.count + parts.batch_request.count + parts.batch_token.count == 0)
            return refuse(
                "found batches that take no time, allowed: batch_ms, request_ms or token_us above 0");
        parts.max_num_batched_tokens = parts.max_num_seqs;
        parts.cost.decode_step.assign(static_cast<std::size_t>(parts.max_num_seqs) + 1, Tick{1});
        parts.cost.mixed_step.assign(static_cast<std::size_t>(parts.max_num_seqs) + 1, Tick{1});
        parts.cost.attention = {{0, Tick{}, 0}};
        facts.model = server.model;
        facts.gpu = gpu;
        facts.step_time_source = "batch_ms, request_ms and token_us as declared";
        return parts;
    }
    if (server.model.empty() || gpu.empty())
        return refuse(
            "found a server of whole batches and not how long they take, allowed: batch_ms, request_ms, "
            "token_us, or a model on a GPU");
    KvRequest request;
    request.model = server.model;
    request.gpu = gpu;
    request.tensor_parallel = server.tensor_parallel;
    if (server.max_model_len) request.max_model_len = static_cast<int>(*server.max_model_len);
    request.max_num_seqs = b.max_batch_size;
    request.max_num_batched_tokens = std::max(8192, b.max_batch_size);
    request.enforce_eager = true;
    const Result<KvCapacity> capacity = kv_capacity(request);
    if (!capacity) {
        Problems problems;
        for (Problem p : capacity.problems()) problems.push_back({server.where, server.path, p.message});
        return problems;
    }
    if (!capacity->fits)
        return refuse(fmt::format("{} does not fit on {}: {}", capacity->shape.id, capacity->gpu.name,
                                  capacity->refusal));
    StepTimeOptions options;
    options.coefficients = step_times_of(capacity->gpu, profiles);
    options.asynchronous_scheduling = false;
    options.enforce_eager = true;
    parts.cost = step_cost_table(*capacity, options);
    parts.max_num_batched_tokens = capacity->limits.max_num_batched_tokens;
    parts.max_model_len = capacity->max_model_len;
    facts.model = capacity->shape.id;
    facts.gpu = capacity->gpu.name;
    facts.step_time_source = options.coefficients->source;
    facts.capacity = *capacity;
    warnings.push_back({server.where, server.path,
                        fmt::format("{} generates in whole batches: as long as the longest answer of each, "
                                    "with the step times of an engine "
                                    "without CUDA graphs",
                                    capacity->shape.id)});
    return parts;
}

std::int64_t cpu_share_milli(const ModelServer& server) {
    // The API server and the engine core are a process each, and neither uses more than a core.
    return std::min<std::int64_t>(1000, server.cpu_limit_milli.value_or(2000) / 2);
}

}  // namespace windtunnel
