// Model servers besides vLLM, and what images are called (flags: sgl-project/sglang python/sglang/srt/server_args.py,
// huggingface/text-generation-inference launcher/src/main.rs; as documented in 2025 and 2026).
#include "scenarios/servers/other_servers.hpp"

#include <algorithm>
#include <cctype>

#include "models/llm_catalog.hpp"
#include "scenarios/commands/command_line.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"

namespace windtunnel {
namespace {

/// What a flag of another server is in terms of ours.
enum class Means : std::uint8_t {
    model, served_name, tensor_parallel, pipeline_parallel, data_parallel, context, sequences, batch_tokens, memory_share,
    kv_dtype, dtype, quantization, load_format, port, no_prefix_cache, kv_role, stand_in, refuse,
};

struct OtherFlag {
    const char* name;
    Means means;
    const char* why = "";
};

constexpr const char* adapters_in_part = "adapters: a request to one takes as long as one to the base model, and their memory is not taken off the KV cache";

constexpr OtherFlag sglang_flags[] = {
    {"model-path", Means::model}, {"model", Means::model}, {"served-model-name", Means::served_name},
    {"tp", Means::tensor_parallel}, {"tp-size", Means::tensor_parallel}, {"tensor-parallel-size", Means::tensor_parallel},
    {"pp-size", Means::pipeline_parallel}, {"pipeline-parallel-size", Means::pipeline_parallel},
    {"dp", Means::data_parallel}, {"dp-size", Means::data_parallel}, {"data-parallel-size", Means::data_parallel},
    {"context-length", Means::context}, {"max-running-requests", Means::sequences}, {"chunked-prefill-size", Means::batch_tokens},
    {"mem-fraction-static", Means::memory_share}, {"kv-cache-dtype", Means::kv_dtype}, {"dtype", Means::dtype},
    {"quantization", Means::quantization}, {"load-format", Means::load_format}, {"port", Means::port},
    {"disable-radix-cache", Means::no_prefix_cache},
    {"disaggregation-mode", Means::kv_role},
    {"speculative-algorithm", Means::refuse, "speculative decoding"}, {"speculative-algo", Means::refuse, "speculative decoding"},
    {"enable-dp-attention", Means::refuse, "data parallel attention"}, {"cpu-offload-gb", Means::refuse, "weights in host memory"},
    {"enable-hierarchical-cache", Means::refuse, "KV cache in host memory"}, {"lora-paths", Means::stand_in, adapters_in_part},
};

constexpr OtherFlag tgi_flags[] = {
    {"model-id", Means::model}, {"num-shard", Means::tensor_parallel}, {"max-total-tokens", Means::context},
    {"max-batch-size", Means::sequences}, {"max-batch-prefill-tokens", Means::batch_tokens}, {"cuda-memory-fraction", Means::memory_share},
    {"kv-cache-dtype", Means::kv_dtype}, {"dtype", Means::dtype}, {"quantize", Means::quantization}, {"port", Means::port},
    {"speculate", Means::refuse, "speculative decoding"}, {"lora-adapters", Means::stand_in, adapters_in_part},
};

/// TensorRT-LLM's trtllm-serve (tensorrt_llm/commands/serve.py, 0.17 to 1.1) and LMDeploy's api_server (lmdeploy/cli/serve.py,
/// 0.6 to 0.10), from general knowledge, not re-read, 2026-11. Their shares of memory are of what the weights leave free.
constexpr OtherFlag trtllm_flags[] = {
    {"model", Means::model}, {"tp-size", Means::tensor_parallel}, {"pp-size", Means::pipeline_parallel}, {"max-seq-len", Means::context},
    {"max-batch-size", Means::sequences}, {"max-num-tokens", Means::batch_tokens}, {"port", Means::port}, {"served-model-name", Means::served_name},
    {"kv-cache-dtype", Means::kv_dtype},
};
constexpr OtherFlag lmdeploy_flags[] = {
    {"model-path", Means::model}, {"model-name", Means::served_name}, {"tp", Means::tensor_parallel}, {"dp", Means::data_parallel}, {"session-len", Means::context},
    {"max-batch-size", Means::sequences}, {"max-prefill-token-num", Means::batch_tokens}, {"server-port", Means::port}, {"dtype", Means::dtype},
};

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

class OtherReader {
public:
    OtherReader(ModelServer& server, const std::string& title, Findings& findings) : m_server(server), m_title(title), m_findings(findings) {}

    void use(const OtherFlag& flag, const std::string& given, const std::string& value) {
        ModelServer& s = m_server;
        switch (flag.means) {
            case Means::model: s.model = value; break;
            case Means::served_name: s.served_model_names = {value}; break;
            case Means::tensor_parallel: count(given, value, 1024, s.tensor_parallel); break;
            case Means::pipeline_parallel: count(given, value, 1024, s.pipeline_parallel); break;
            case Means::data_parallel: count(given, value, 1024, s.data_parallel); break;
            case Means::context: count(given, value, 100'000'000, s.max_model_len); break;
            case Means::sequences: count(given, value, 1'000'000, s.max_num_seqs); break;
            case Means::batch_tokens:
                if (value == "-1") s.chunked_prefill = false;
                else count(given, value, 100'000'000, s.max_num_batched_tokens);
                break;
            case Means::memory_share: share(given, value); break;
            case Means::kv_dtype: s.kv_cache_dtype = contains(value, "fp8") ? "fp8" : "auto"; break;
            case Means::dtype: s.dtype = value == "bfloat16" ? "bf16" : value == "float16" || value == "half" ? "fp16" : "auto"; break;
            case Means::quantization: s.quantization = value; break;
            case Means::load_format: s.load_format = value; break;
            case Means::port: count(given, value, 65535, s.port); break;
            case Means::kv_role:
                if (value == "prefill") s.kv_role = KvRole::producer;
                else if (value == "decode") s.kv_role = KvRole::consumer;
                else if (value != "null") error(given + " found \"" + value + "\", allowed: prefill, decode or null");
                break;
            case Means::no_prefix_cache: s.prefix_caching = false; break;
            case Means::stand_in: warn(given + " is simulated only in part: " + flag.why); break;
            case Means::refuse: error(given + " would change the result and is not simulated: " + flag.why); break;
        }
    }
    void error(const std::string& message) { m_findings.errors.push_back({m_server.where, m_server.path, message}); }
    void warn(const std::string& message) { m_findings.warnings.push_back({m_server.where, m_server.path, message}); }

private:
    template <class T>
    void count(const std::string& given, const std::string& value, std::int64_t most, T& out) {
        const auto number = to_integer(value);
        if (number && *number >= 1 && *number <= most) out = static_cast<std::int32_t>(*number);
        else error(given + " of " + m_title + " found \"" + value + "\", allowed: an integer from 1 to " + std::to_string(most));
    }
    void share(const std::string& given, const std::string& value) {
        const Node node = resolve_plain_scalar(value);
        const bool numeric = node.kind == Node::Kind::integer || node.kind == Node::Kind::number;
        if (numeric && node.number > 0 && node.number <= 1) m_server.gpu_memory_utilization = node.number;
        else error(given + " of " + m_title + " found \"" + value + "\", allowed: a number above 0 and at most 1");
    }

    ModelServer& m_server;
    std::string m_title;
    Findings& m_findings;
};

/// Where the flags of a command begin: after `sglang.launch_server` or `sglang serve`; 0 = it starts no SGLang.
std::size_t sglang_begin(const std::vector<std::string>& command) {
    for (std::size_t i = 0; i < command.size(); ++i) {
        if (command[i] == "sglang.launch_server" || command[i] == "dynamo.sglang") return i + 1;
        const std::string program = command[i].substr(command[i].rfind('/') + 1);
        if (program == "sglang" && i + 1 < command.size() && command[i + 1] == "serve") return i + 2;
    }
    return 0;
}

std::size_t tgi_begin(const std::vector<std::string>& command) {
    for (std::size_t i = 0; i < command.size(); ++i)
        if (command[i].substr(command[i].rfind('/') + 1) == "text-generation-launcher") return i + 1;
    return 0;
}

/// After `trtllm-serve MODEL`, `trtllm-serve serve MODEL`: the model's place.
std::size_t trtllm_begin(const std::vector<std::string>& command) {
    for (std::size_t i = 0; i < command.size(); ++i)
        if (command[i].substr(command[i].rfind('/') + 1) == "trtllm-serve") return i + (i + 1 < command.size() && command[i + 1] == "serve" ? 2 : 1);
    return 0;
}

/// After `lmdeploy serve api_server MODEL`: the model's place.
std::size_t lmdeploy_begin(const std::vector<std::string>& command) {
    for (std::size_t i = 0; i + 2 < command.size(); ++i)
        if (command[i].substr(command[i].rfind('/') + 1) == "lmdeploy" && command[i + 1] == "serve" && command[i + 2] == "api_server") return i + 3;
    return 0;
}

/// Reads `--name value`, `--name=value` and switches by a table; names that it lacks come back.
template <std::size_t N>
std::vector<std::string> read_flags(OtherReader& reader, const OtherFlag (&table)[N], const std::vector<std::string>& words, std::size_t begin) {
    std::vector<std::string> unread;
    for (std::size_t i = begin; i < words.size(); ++i) {
        if (!words[i].starts_with("-") || words[i].size() < 2) continue;
        const std::string word = words[i];
        const std::size_t equals = word.find('=');
        std::string name = word.substr(word.find_first_not_of('-') == std::string::npos ? 0 : word.find_first_not_of('-'));
        name = name.substr(0, name.find('='));
        std::replace(name.begin(), name.end(), '_', '-');
        std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        const bool next_is_value = i + 1 < words.size() && (!words[i + 1].starts_with("--") && (words[i + 1].size() < 2 || words[i + 1][0] != '-' || words[i + 1] == "-1"));
        const auto* row = std::find_if(std::begin(table), std::end(table), [&](const OtherFlag& f) { return name == f.name; });
        if (equals == std::string::npos && next_is_value && (row == std::end(table) || row->means != Means::no_prefix_cache)) value = words[++i];
        if (row == std::end(table)) unread.push_back("--" + name);
        else reader.use(*row, "--" + name, value);
    }
    return unread;
}

/// A server whose first word is the model.
template <std::size_t N>
std::vector<std::string> read_named_first(ModelServer& server, const std::string& title, const OtherFlag (&table)[N], const std::vector<std::string>& command, std::size_t begin,
                                          Findings& findings) {
    OtherReader reader(server, title, findings);
    if (begin < command.size() && !command[begin].starts_with("-")) server.model = command[begin++];
    return read_flags(reader, table, command, begin);
}

/// What the launcher reads from the environment besides and what would change the result (its documentation, v2 and v3).
constexpr const char* tgi_unread[] = {"MAX_INPUT_TOKENS", "MAX_INPUT_LENGTH", "MAX_CONCURRENT_REQUESTS", "MAX_BATCH_TOTAL_TOKENS", "MAX_WAITING_TOKENS", "WAITING_SERVED_RATIO", "CUDA_GRAPHS",
                                      "PREFIX_CACHING", "USE_PREFIX_CACHING", "ATTENTION", "BLOCK_SIZE", "MAX_CLIENT_BATCH_SIZE", "ROPE_SCALING", "ROPE_FACTOR"};

/// MAX_TOTAL_TOKENS for max-total-tokens: TGI's launcher reads each of its options from the environment too. Those
/// that are left aside and would matter come back.
std::vector<std::string> read_tgi_environment(OtherReader& reader, const Environment& environment) {
    const auto value_of = [&](const std::string& name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    };
    for (const OtherFlag& flag : tgi_flags) {
        std::string name = flag.name;
        for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        const std::string value = value_of(name);
        if (!value.empty() && !(flag.means == Means::refuse && value == "0")) reader.use(flag, name, value);
    }
    std::vector<std::string> unread;
    for (const char* name : tgi_unread)
        if (!value_of(name).empty()) unread.emplace_back(name);
    return unread;
}

bool command_is_own(const Container& container) { return !container.command.empty(); }

/// The model of NVIDIA's image of it, "nim/meta/llama-3.1-8b-instruct"; "" = another image, or a model that is not known.
std::string model_of_nim(const std::string& repository) {
    if (!repository.starts_with("nim/") && !contains(repository, "/nim/")) return "";
    std::string name = repository.substr(repository.rfind('/') + 1);
    if (name.starts_with("llama3-")) name.insert(5, "-");  // as NVIDIA wrote it for Llama 3
    return get_llm(name) ? name : "";
}

/// What an LLM's NIM reads from its environment (its documentation, 1.0 to 1.14); all else of NIM_ comes back.
std::vector<std::string> read_nim_environment(OtherReader& reader, const Environment& environment) {
    constexpr std::pair<const char*, OtherFlag> variables[] = {{"NIM_MAX_MODEL_LEN", {"max-model-len", Means::context}}, {"NIM_SERVER_PORT", {"port", Means::port}},
                                                               {"NIM_TENSOR_PARALLEL_SIZE", {"tp", Means::tensor_parallel}}, {"NIM_PIPELINE_PARALLEL_SIZE", {"pp", Means::pipeline_parallel}}};
    constexpr const char* harmless[] = {"NIM_CACHE_PATH", "NIM_LOG_LEVEL", "NIM_JSONL_LOGGING", "NIM_SERVED_MODEL_NAME", "NIM_HTTP_API_PORT", "NIM_GUIDED_DECODING_BACKEND", "NIM_ENABLE_OTEL"};
    std::vector<std::string> unread;
    for (const auto& [name, value] : environment) {
        if (!name.starts_with("NIM_") || std::find(std::begin(harmless), std::end(harmless), name) != std::end(harmless)) continue;
        const auto* row = std::find_if(std::begin(variables), std::end(variables), [&](const auto& v) { return name == v.first; });
        if (row == std::end(variables)) unread.push_back(name);
        else if (!value.empty()) reader.use(row->second, name, value);
    }
    return unread;
}

std::vector<std::string> first_of(std::vector<std::vector<std::string>> commands) {
    return commands.empty() ? std::vector<std::string>{} : std::move(commands[0]);
}

}  // namespace

ImageName split_image(const std::string& image) {
    ImageName out;
    const std::string name = image.substr(0, image.find('@'));
    const std::size_t slash = name.rfind('/');
    const std::size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
    out.repository = name.substr(0, colon);
    if (colon != std::string::npos) out.tag = name.substr(colon + 1);
    // A first part with a dot, a port or "localhost" is a registry's host.
    const std::string host = out.repository.substr(0, out.repository.find('/'));
    if (host.size() < out.repository.size() && (host.find_first_of(".:") != std::string::npos || host == "localhost")) out.repository.erase(0, host.size() + 1);
    return out;
}

std::string vllm_version_of_image(const std::string& image) {
    const auto [repository, tag] = split_image(image);
    // Their tags count the publisher's own releases.
    for (const char* publisher : {"lmcache/", "rhaiis/", "kserve/", "nvidia/vllm", "ai-dynamo/", "llm-d/", "nim/", "huggingfaceserver"})
        if (contains(repository, publisher) || contains(image, publisher)) return "";
    // rocm/vllm and some mirrors name the release after the platform: rocm6.4.1_vllm_0.9.1_20250715.
    const std::size_t named = tag.find("vllm");
    for (std::size_t i = named == std::string::npos ? 0 : named; i < tag.size(); ++i) {
        const bool starts = std::isdigit(static_cast<unsigned char>(tag[i])) && (i == 0 || tag[i - 1] == 'v' || tag[i - 1] == '-' || tag[i - 1] == '_');
        if (!starts) continue;
        std::size_t end = i;
        while (end < tag.size() && (std::isdigit(static_cast<unsigned char>(tag[end])) || tag[end] == '.')) ++end;
        std::string version = tag.substr(i, end - i);
        while (!version.empty() && version.back() == '.') version.pop_back();
        // v0.10.1.1 is 0.10.1 built again.
        if (std::count(version.begin(), version.end(), '.') > 2) version.resize(version.rfind('.'));
        // A release is 0.x: 25.09 is a month, 12.8 a CUDA version, 20250312 a day.
        if (version.starts_with("0.")) return version;
    }
    return "";
}

std::optional<ModelServer> read_other_server(const Container& container, Findings& findings, const ShellContext& given, std::int64_t pods) {
    ShellContext context = given;
    context.depth = 0;
    std::vector<std::string> words = container.command;
    words.insert(words.end(), container.args.begin(), container.args.end());
    const std::string repository = split_image(container.image).repository;

    ModelServer server;
    server.where = container.where;
    server.path = container.path;
    std::string title;
    std::vector<std::string> unread;
    std::vector<std::string> command = first_of(find_commands(words, context, [](const auto& c) { return sglang_begin(c) > 0; }));
    if (!command.empty()) {
        server.engine = "sglang";
        title = "SGLang";
        OtherReader reader(server, title, findings);
        server.port = 30000;
        unread = read_flags(reader, sglang_flags, command, sglang_begin(command));
    } else if (command = first_of(find_commands(words, context, [](const auto& c) { return trtllm_begin(c) > 0; })); !command.empty()) {
        server.engine = "trtllm";
        title = "TensorRT-LLM";
        unread = read_named_first(server, title, trtllm_flags, command, trtllm_begin(command), findings);
    } else if (command = first_of(find_commands(words, context, [](const auto& c) { return lmdeploy_begin(c) > 0; })); !command.empty()) {
        server.engine = "lmdeploy";
        title = "LMDeploy";
        server.port = 23333;
        unread = read_named_first(server, title, lmdeploy_flags, command, lmdeploy_begin(command), findings);
    } else if (const std::string model = command_is_own(container) ? "" : model_of_nim(repository); !model.empty()) {
        server.engine = "nim";
        title = "NVIDIA NIM";
        server.model = model;
        // A NIM takes the profile that spreads over the GPUs it sees.
        if (const std::int64_t gpus = container.resources.gpus(); gpus > 0 && gpus <= 1024) server.tensor_parallel = static_cast<std::int32_t>(gpus);
        OtherReader reader(server, title, findings);
        unread = read_nim_environment(reader, context.environment);
    } else {
        command = first_of(find_commands(words, context, [](const auto& c) { return tgi_begin(c) > 0; }));
        const bool image = contains(repository, "text-generation-inference");
        if (command.empty() && !(image && container.command.empty())) return std::nullopt;
        server.engine = "tgi";
        title = "Text Generation Inference";
        if (command.empty()) {
            command = {"text-generation-launcher"};
            for (const std::string& arg : container.args) command.push_back(expand_kubernetes(arg, context.environment));
        }
        // Without --num-shard the launcher shards over every GPU that it sees.
        if (const std::int64_t gpus = container.resources.gpus(); gpus > 0 && gpus <= 1024) server.tensor_parallel = static_cast<std::int32_t>(gpus);
        OtherReader reader(server, title, findings);
        unread = read_tgi_environment(reader, context.environment);
        const std::vector<std::string> flags_unread = read_flags(reader, tgi_flags, command, tgi_begin(command));
        unread.insert(unread.end(), flags_unread.begin(), flags_unread.end());
    }
    OtherReader reader(server, title, findings);
    std::string aside;
    for (const std::string& name : unread) aside += (aside.empty() ? "; not read: " : ", ") + name;
    reader.warn("runs " + title + ", which is simulated as vLLM's newest profile with these limits: its own scheduler, memory and kernels are not" + aside);
    const std::int64_t needed = std::int64_t{server.tensor_parallel} * server.pipeline_parallel * server.data_parallel;
    if (const std::int64_t gpus = container.resources.gpus() * pods; needed > gpus)
        reader.error("found tensor x pipeline x data parallel = " + std::to_string(needed) + " on " + std::to_string(gpus) +
                     " GPUs, allowed: at most the GPUs in resources.limits");
    return server;
}

bool is_simulated_as_vllm(const std::string& engine) {
    constexpr const char* engines[] = {"vllm", "sglang", "tgi", "trtllm", "lmdeploy", "nim"};
    return std::any_of(std::begin(engines), std::end(engines), [&](const char* e) { return engine == e; });
}

std::string name_of_unsimulated_server(const Container& container) {
    struct Row {
        const char *part, *name;
    };
    constexpr Row rows[] = {{"nvcr.io/nim/", "NVIDIA NIM"}, {"/nim/", "NVIDIA NIM"}, {"tritonserver", "Triton"}, {"tensorrt-llm", "TensorRT-LLM"}, {"tensorrt_llm", "TensorRT-LLM"},
                            {"ollama", "Ollama"}, {"llama.cpp", "llama.cpp"}, {"lmdeploy", "LMDeploy"}, {"text-embeddings-inference", "Text Embeddings Inference"},
                            {"djl-serving", "DJL Serving"}, {"djl-inference", "DJL Serving"}, {"torchserve", "TorchServe"}, {"localai", "LocalAI"}, {"kaito/base", "KAITO's server"},
                            {"jetstream", "JetStream"}, {"dynamo", "Dynamo"}};
    for (const Row& row : rows)
        if (contains(container.image, row.part)) return row.name;
    // Its own image may run what it likes; then the command says it.
    constexpr Row programs[] = {{"tritonserver", "Triton"}, {"launch_triton_server", "Triton"}, {"trtllm-serve", "TensorRT-LLM"}, {"llama-server", "llama.cpp"}, {"llama_cpp.server", "llama.cpp"},
                                {"ollama", "Ollama"}, {"lmdeploy", "LMDeploy"}, {"text-embeddings-router", "Text Embeddings Inference"}, {"dynamo.vllm", "Dynamo"}, {"dynamo.sglang", "Dynamo"},
                                {"infinity_emb", "Infinity"}, {"mlserver", "MLServer"}, {"torchserve", "TorchServe"}};
    for (const auto* words : {&container.command, &container.args})
        for (const std::string& word : *words)
            for (const Row& row : programs)
                if (contains(word, row.part)) return row.name;
    return "";
}

}  // namespace windtunnel
