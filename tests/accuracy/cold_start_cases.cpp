// Measured starts: files of the schemas of cold_start_measured.json and coldstart_facts.json, and ServerlessLLM's lists of loads.
#include "models/cold_start_facts.hpp"
#include "models/gpu_catalog.hpp"
#include "tests/accuracy/cold_start_held_out.hpp"
#include "tests/accuracy/evaluation.hpp"
#include "tests/accuracy/measured_file.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <optional>
#include <regex>
#include <set>

namespace windtunnel::accuracy {
namespace {

using nlohmann::json;

bool says(const std::string& text, const char* what) { return text.find(what) != std::string::npos; }
std::optional<double> number(const json& row, const char* key) {
    return row.contains(key) && row[key].is_number() ? std::optional(row[key].get<double>()) : std::nullopt;
}

/// A row as it can be used: what is null is not said, times that are none are told.
json tidied(const json& row, const std::string& id, std::vector<std::string>& problems) {
    json out = json::object();
    if (!row.is_object()) {
        problems.push_back(id + ": no row of keys and values");
        return out;
    }
    for (const auto& [key, value] : row.items()) {
        const bool time = key.ends_with("_s");
        if (time && !value.is_null() && !value.is_array() && !(value.is_number() && value.get<double>() >= 0))
            problems.push_back(fmt::format("{}: {}: found {}, allowed: seconds", id, key, value.dump()));
        else if (value.is_number() ? !time || value.get<double>() > 0 : value.is_string())
            out[key] = value;
    }
    return out;
}
/// The rows of a file that has them under `key`.
json rows_of(const json& file, const char* key, const std::filesystem::path& path, std::vector<std::string>& problems) {
    if (file.is_object() && file.contains(key) && file[key].is_array()) return file[key];
    problems.push_back(fmt::format("{}: {}: found no list of rows", path.filename().string(), key));
    return json::array();
}

/// "0.8.3" of "0.8.3 V1", "0.7.0" of "0.7.x V0", "0.10.0" of "0.10/0.11 V0"; nothing of "0.2x" and where none is said.
std::string version_of(const std::string& engine) {
    std::smatch found;
    if (std::regex_search(engine, found, std::regex(R"((?:^|[^0-9.])(0\.\d+\.\d+))"))) return found[1];
    if (std::regex_search(engine, found, std::regex(R"((?:^|[^0-9.])(0\.\d+)(\.x|[/ ]))"))) return found[1].str() + ".0";
    return "";
}

/// A start as far as a row says what ran. Where it names no card, a large one stands in, which engine stages do not depend on.
std::optional<KvCapacity> capacity_of(const json& row) {
    const std::string model = row.value("model", ""), gpu = row.value("gpu", ""), engine = row.value("engine", row.value("what", ""));
    KvRequest request;
    request.max_model_len = 2048;
    std::smatch found;
    if (const std::string version = version_of(engine); !version.empty()) request.vllm_version = version;
    if (says(engine, "V0")) request.engine = "v0";
    if (says(engine, "V1")) request.engine = "v1";
    if (std::regex_search(gpu, found, std::regex(R"(^(\d+)x)"))) request.tensor_parallel = std::stoi(found[1]);
    if (says(model, "FP8") || says(model, "fp8")) request.dtype = "fp8";
    std::vector<std::string> cards = {gpu.substr(0, gpu.find(" (")), gpu.substr(0, gpu.find(' '))};
    if (const std::size_t times = gpu.find('x'); times != std::string::npos && times < 3) cards.push_back(gpu.substr(times + 1, gpu.find(' ') - times - 1));
    request.gpu = "h200-sxm-141gb";
    for (const std::string& card : cards)
        if (!card.empty() && get_gpu(card)) request.gpu = card;
    std::vector<std::string> names = {model, "Meta-" + model.substr(0, model.find(' ')), model.substr(0, model.find(',')), model.substr(0, model.find(' ')), model.substr(0, model.find(" ("))};
    for (const std::string& name : names) {
        request.model = name;
        for (const char* card : {request.gpu.c_str(), "h200-sxm-141gb"}) {
            KvRequest with = request;
            with.gpu = card;
            if (auto capacity = kv_capacity(with)) {
                if (const auto gib = number(row, "weights_gib")) capacity->weights_gib = *gib;
                return *capacity;
            }
        }
    }
    return std::nullopt;
}

double seconds_of(const std::vector<ColdStartStage>& stages, std::initializer_list<const char*> names) {
    double sum = 0;
    for (const ColdStartStage& s : stages)
        for (const char* name : names)
            if (s.name == name) sum += s.median_s;
    return sum;
}

/// Storage and loader, where a text says them.
struct Loading {
    ColdStartOptions options;
    std::string name;
};
std::optional<Loading> loading_of(const std::string& text) {
    Loading out;
    if (says(text, "gp3") || says(text, "io2")) {
        out.options.storage = WeightStorage::network_disk;
        // gp3 at 1000 MiB/s; io2 at 4000 MiB/s behind a g5.12xlarge, whose way to EBS carries 16 Gbit/s (AWS, 2024).
        out.options.volume_bytes_per_s = says(text, "gp3") ? 1000 * 1048576.0 : 2e9;
        out.name = "EBS";
    } else if (says(text, "S3") || says(text, "s3")) {
        out.options.storage = WeightStorage::object_store;
        out.name = "S3";
    } else if (says(text, "page cache")) {
        out.options.storage = WeightStorage::page_cache;
        out.name = "page cache";
    } else if (says(text, "NVMe") || says(text, "nvme")) {
        out.options.storage = WeightStorage::local_nvme;
        out.name = "NVMe";
    } else {
        return std::nullopt;
    }
    const std::size_t reads = text.find("concurrency ");
    if (reads != std::string::npos) out.options.concurrency = std::stoi(text.substr(reads + 12));
    out.options.loader = says(text, "treamer")      ? WeightLoader::streamer
                         : says(text, "ensorizer")  ? WeightLoader::tensorizer
                                                    : WeightLoader::safetensors;
    out.name += says(text, "treamer") ? ", streamer" : says(text, "ensorizer") ? ", Tensorizer" : ", safetensors";
    return out;
}

class Starts {
public:
    Starts(const std::filesystem::path& folder, std::vector<std::string>& problems) : m_folder(folder), m_problems(problems) {}

    std::vector<Comparison> compare() {
        if (std::filesystem::exists(m_folder / "cold_start_measured.json")) {
            const json file = read_json(m_folder / "cold_start_measured.json");
            std::size_t number_of_row = 0;
            for (const json& raw : rows_of(file, "cold_start", m_folder / "cold_start_measured.json", m_problems)) {
                const std::string place = fmt::format("row {}", number_of_row++);
                const json row = tidied(raw, place, m_problems);
                add_row(row, row.value("case", place));
            }
        }
        if (std::filesystem::exists(m_folder / "coldstart_facts.json")) {
            const json file = read_json(m_folder / "coldstart_facts.json");
            for (const json& row : file.value("engine_start", json::array())) add_ready(row);
        }
        for (const auto& entry : std::filesystem::recursive_directory_iterator(m_folder))
            if (entry.is_regular_file() && entry.path().extension() == ".json" && entry.path().parent_path() != m_folder) add_loads(entry.path());
        for (Comparison& c : held_out(m_logs)) m_out.push_back(std::move(c));
        std::sort(m_out.begin(), m_out.end(), [](const Comparison& a, const Comparison& b) { return std::tie(a.group, a.metric, a.id, a.model) < std::tie(b.group, b.metric, b.id, b.model); });
        return std::move(m_out);
    }

private:
    void add(const std::string& id, const json& row, const KvCapacity& c, const std::string& group, const std::string& metric, double measured, double predicted) {
        m_out.push_back({id, row.value("source", ""), "cold start", group, c.gpu.name, c.shape.id.substr(c.shape.id.find('/') + 1), "start", metric, measured, predicted, ""});
    }
    std::vector<ColdStartStage> stages(const KvCapacity& c, ColdStartOptions options) {
        options.new_node = false;
        options.image_cached = options.libraries_read = true;
        return *default_cold_start(c, options);
    }

    void add_row(const json& row, const std::string& id) {
        const bool asked = std::any_of(row.begin(), row.end(), [](const json& v) { return v.is_number(); });
        if (!asked) return;
        const auto c = capacity_of(row);
        if (!c) {
            m_problems.push_back(fmt::format("{}: no model of the catalogue: {}", id, row.value("model", "not said")));
            return;
        }
        const std::string what = row.value("what", "");
        if (const auto load = loading_of(what); load && number(row, "weight_load_s"))
            add(id, row, *c, "cold start: weights, " + load->name, "weights_load, s", *number(row, "weight_load_s"), seconds_of(stages(*c, load->options), {"weights_load"}));
        add_engine(row, id, *c);
    }
    /// Engine stages: as shipped, and with the host known by the trace of the same log, which is then no prediction itself.
    void add_engine(const json& row, const std::string& id, const KvCapacity& c) {
        const std::string engine = row.value("engine", "");
        if (version_of(engine).empty()) {
            if (row.contains("graph_capture_s") || row.contains("init_engine_s")) m_problems.push_back(id + ": a log of no known version of vLLM");
            return;
        }
        const auto dynamo = number(row, "dynamo_s"), whole = number(row, "init_engine_s"), capture = number(row, "graph_capture_s");
        auto compile = number(row, row.contains("compile_s") ? "compile_s" : "graph_compile_s");
        // Some logs have the sum alone: "torch.compile takes ... s in total", the trace and the compilation.
        if (const auto total = number(row, "torch_compile_total_s"); !compile && total && dynamo && *total > *dynamo) compile = *total - *dynamo;
        ColdStartOptions options;
        options.storage = WeightStorage::page_cache;
        options.enforce_eager = says(engine, "eager");
        options.compile_cached = !compile || says(row.value("what", ""), "compile cache");
        const auto compare_with = [&](const std::string& group) {
            const auto all = stages(c, options);
            if (compile) add(id, row, c, group, "compile, s", *compile, seconds_of(all, {"compile"}));
            if (capture) add(id, row, c, group, "graph_capture, s", *capture, seconds_of(all, {"graph_capture"}));
            if (whole) add(id, row, c, group, "engine init, s", *whole, seconds_of(all, {"profile_run", "dynamo_trace", "compile", "graph_capture"}));
        };
        const bool v1 = c.profile.generation == EngineGeneration::v1;
        compare_with(fmt::format("cold start: engine V{}, as shipped", v1 ? 1 : 0));
        m_logs.push_back({id, row.value("source", ""), c, stages(c, options), dynamo, compile, capture, number(row, "profile_s"), whole});
        if (!dynamo || !v1) return;
        options.dynamo_trace_s = *dynamo;
        compare_with("cold start: engine V1, host known by its trace");
    }
    /// From the process to the first answer, on a machine that has done it before: `vllm_0.5.5_ready_total`, by storage and loader.
    void add_ready(const json& row) {
        for (const auto& [key, storages] : row.items()) {
            std::smatch found;
            if (!std::regex_match(key, found, std::regex(R"(vllm_(0\.\d+\.\d+)_ready_total)")) || !storages.is_object()) continue;
            json start = row;
            start["engine"] = found[1].str();
            start["gpu"] = says(row.value("instance", ""), "A10G") ? "A10G" : "";
            start["source"] = row.value("src", "");
            const auto c = capacity_of(start);
            if (!c) {
                m_problems.push_back(key + ": no model of the catalogue: " + row.value("model", ""));
                continue;
            }
            for (const auto& [storage, loaders] : storages.items())
                for (const auto& [loader, measured] : loaders.items()) {
                    auto load = loading_of(storage + " " + loader);
                    if (!load || !measured.is_number()) continue;
                    load->options.concurrency = storage == "s3" ? 32 : storage == "io2" ? 8 : 16;  // as the benchmark's table has them
                    double ready = 0;
                    for (const ColdStartStage& s : stages(*c, load->options)) ready += s.median_s;
                    add(storage + " " + loader, start, *c, "cold start: ready, " + load->name, "whole start, s", measured.get<double>(), ready);
                }
        }
    }
    /// A list of loads of one model: `MODEL_loader_n_random.json`.
    void add_loads(const std::filesystem::path& path) {
        const std::string name = path.filename().string();
        const std::size_t loader = name.find("_sllm") != std::string::npos ? name.find("_sllm") : name.find("_safetensors");
        const json loads = read_json(path);
        if (loader == std::string::npos || !loads.is_array() || loads.empty() || !loads[0].contains("loading_time")) {
            m_problems.push_back(name + ": no list of loads");
            return;
        }
        json row{{"model", name.substr(0, loader)}, {"gpu", "H100"}, {"source", "ServerlessLLM"}};
        std::string model = row["model"];
        if (const std::size_t slash = model.find('_'); slash != std::string::npos) model[slash] = '/';
        row["model"] = model;
        const auto c = capacity_of(row);
        if (!c) {
            m_problems.push_back(name + ": no model of the catalogue");
            return;
        }
        double sum = 0;
        for (const json& load : loads) sum += load.at("loading_time").get<double>();
        ColdStartOptions options;
        const bool cached = says(name, "cached"), sllm = says(name, "_sllm");
        options.storage = cached ? WeightStorage::page_cache : WeightStorage::local_nvme;
        options.loader = sllm ? WeightLoader::serverless_llm : WeightLoader::safetensors;
        add(cached ? "the same copy" : "copies in random order", row, *c, fmt::format("cold start: weights, {}, {}", cached ? "page cache" : "NVMe", sllm ? "ServerlessLLM" : "safetensors"), "weights_load, s",
            sum / static_cast<double>(loads.size()), seconds_of(stages(*c, options), {"weights_load"}));
    }

    const std::filesystem::path m_folder;
    std::vector<std::string>& m_problems;
    std::vector<Comparison> m_out;
    std::vector<EngineLog> m_logs;
};

}  // namespace

std::vector<Comparison> compare_cold_starts(const std::filesystem::path& data, std::vector<std::string>& problems) {
    const std::filesystem::path folder = data / "coldstart";
    if (!std::filesystem::exists(folder)) return {};
    return Starts(folder, problems).compare();
}

}  // namespace windtunnel::accuracy
