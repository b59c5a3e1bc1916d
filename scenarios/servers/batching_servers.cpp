#include "scenarios/servers/batching_servers.hpp"

#include <fmt/format.h>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "scenarios/pods/kubernetes_pods.hpp"
#include "scenarios/servers/other_servers.hpp"

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

}  // namespace windtunnel
