#include "scenarios/servers/model_server.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>
#include <span>

#include "models/bytes.hpp"
#include "models/lower_case.hpp"
#include "models/llm_catalog.hpp"
#include "scenarios/commands/command_line.hpp"
#include "scenarios/commands/vllm_flags.hpp"
#include "scenarios/operators/derived_workloads.hpp"
#include "scenarios/pods/kubernetes_pods.hpp"
#include "scenarios/servers/batching_servers.hpp"
#include "scenarios/servers/kv_transfer.hpp"
#include "scenarios/servers/other_servers.hpp"
#include "scenarios/servers/speculation.hpp"
#include "scenarios/servers/vllm_environment.hpp"

namespace windtunnel {
namespace {

/// What vLLM's own dtype names are called in ours.
std::optional<std::string> plain_dtype(const std::string& name, bool kv) {
    if (name == "auto") return "auto";
    if (name == "bfloat16" || name == "bf16") return "bf16";
    if (name == "half" || name == "float16" || name == "fp16") return "fp16";
    if (name == "fp8" || (kv && (name == "fp8_e4m3" || name == "fp8_e5m2"))) return "fp8";
    if (!kv)
        for (const char* other : {"mxfp4", "nvfp4", "int4"})
            if (name == other) return name;
    return std::nullopt;
}

/// An integer as vLLM's parser reads it: `8192`, and `8k` = 8000, `8K` = 8192, `1.5k` (k m g t decimal,
/// K M G T binary; vLLM's human_readable_int).
std::optional<std::int64_t> human_integer(const std::string& text) {
    if (text.empty()) return std::nullopt;
    std::string digits = text;
    std::int64_t factor = 1;
    const std::string decimal = "kmgt", binary = "KMGT";
    if (const std::size_t at = decimal.find(digits.back()); at != std::string::npos)
        for (std::size_t i = 0; i <= at; ++i) factor *= 1000;
    else if (const std::size_t at2 = binary.find(digits.back()); at2 != std::string::npos)
        for (std::size_t i = 0; i <= at2; ++i) factor *= 1024;
    if (factor != 1) digits.pop_back();
    // Plain digits alone: vLLM reads "08" as 8 and no hexadecimal.
    if (digits.empty() || digits.find_first_not_of("0123456789.") != std::string::npos) return std::nullopt;
    const Node node = resolve_plain_scalar(digits.find_first_not_of('0') == std::string::npos ? "0" : digits.substr(digits.find_first_not_of('0')));
    if (node.kind != Node::Kind::integer && node.kind != Node::Kind::number) return std::nullopt;
    const double value = node.number * static_cast<double>(factor);
    if (value > 9e15 || std::trunc(value) != value || (factor == 1 && digits.find('.') != std::string::npos)) return std::nullopt;
    return static_cast<std::int64_t>(value);
}

/// Reads flags into a server and reports what is wrong with them.
class FlagReader {
public:
    /// `places`: where each word of the flags stands; empty = all where the server does.
    FlagReader(ModelServer& server, const std::vector<WordPlace>& places, Findings& findings)
        : m_server(server), m_places(places), m_findings(findings) {}

    void read(const std::vector<GivenFlag>& flags) {
        for (const GivenFlag& given : flags) {
            if (const std::size_t blank = given.name.find(' '); !given.flag && blank != std::string::npos && find_vllm_flag(given.name.substr(0, blank))) {
                m_findings.errors.push_back({place(given).where, place(given).path, "found a flag and its value in one word, allowed: two words (- --" + given.name.substr(0, blank) + " and - \"" + given.name.substr(blank + 1) + "\"), or --" +
                                                                                       given.name.substr(0, blank) + "=" + given.name.substr(blank + 1)});
                continue;
            }
            if (!given.flag) {
                error(given, "is no flag of vLLM" + did_you_mean(given.name, vllm_flag_names()));
                continue;
            }
            const std::string value = given.values.empty() ? "" : given.values[0];
            switch (given.flag->role) {
                case FlagRole::used: use(given); break;
                case FlagRole::harmless: note(given, "does not change the result"); break;
                case FlagRole::stood_in:
                    if (given.negated || (!value.empty() && is_neutral(*given.flag, value))) break;
                    m_findings.warnings.push_back({place(given).where, place(given).path, "--" + given.name + " " + given.flag->why});
                    break;
                case FlagRole::unsupported:
                    if (given.flag->name == std::string_view("device") && (value == "auto" || value == "rocm")) break;
                    if (given.negated || (!value.empty() && is_neutral(*given.flag, value))) break;
                    error(given, std::string("would change the result and is not simulated: ") + given.flag->why);
                    break;
            }
        }
    }

private:
    static bool is_neutral(const VllmFlag& flag, const std::string& value) {
        if (value == flag.neutral) return true;
        const Node a = resolve_plain_scalar(value), b = resolve_plain_scalar(flag.neutral);
        const auto numeric = [](const Node& n) { return n.kind == Node::Kind::integer || n.kind == Node::Kind::number; };
        return numeric(a) && numeric(b) && !(a.number < b.number) && !(a.number > b.number);
    }
    void error(const GivenFlag& given, const std::string& message) {
        m_findings.errors.push_back({place(given).where, place(given).path, "--" + given.name + " " + message});
    }
    void note(const GivenFlag& given, const std::string& message) {
        m_findings.notes.push_back({place(given).where, place(given).path, "--" + given.name + " " + message});
    }
    [[nodiscard]] WordPlace place(const GivenFlag& given) const {
        return given.word < m_places.size() ? m_places[given.word] : WordPlace{m_server.where, m_server.path};
    }
    bool one_value(const GivenFlag& given, const std::string& allowed) {
        if (given.values.size() == 1 && !given.values[0].empty()) return true;
        error(given, "has no value, allowed: " + allowed);
        return false;
    }
    template <class T, class Int = std::int64_t>
    void integer(const GivenFlag& given, T& out, std::int64_t least, std::int64_t most) {
        const std::string allowed = "an integer from " + std::to_string(least) + " to " + std::to_string(most);
        // vLLM's parser takes an empty word or None for an option that may be left out as that (optional_type).
        if constexpr (requires { out.reset(); })
            if (given.values.size() == 1 && (given.values[0].empty() || given.values[0] == "None")) return out.reset();
        if (!one_value(given, allowed)) return;
        const auto value = human_integer(given.values[0]);
        if (value && *value >= least && *value <= most) out = static_cast<Int>(*value);
        else error(given, "found \"" + given.values[0] + "\", allowed: " + allowed);
    }
    template <class T>
    void small(const GivenFlag& given, T& out, std::int64_t least, std::int64_t most) {
        integer<T, std::int32_t>(given, out, least, most);
    }
    void number(const GivenFlag& given, std::optional<double>& out, double least, double most, const std::string& allowed) {
        if (!one_value(given, allowed)) return;
        const Node node = resolve_plain_scalar(given.values[0]);
        const bool numeric = node.kind == Node::Kind::integer || node.kind == Node::Kind::number;
        if (numeric && node.number >= least && node.number <= most) out = node.number;
        else error(given, "found \"" + given.values[0] + "\", allowed: " + allowed);
    }
    void flag(const GivenFlag& given, std::optional<bool>& out) {
        if (given.values.empty()) {
            out = !given.negated;
            return;
        }
        const std::string value = lower_case(given.values[0]);
        if (value == "true" || value == "1") out = true;
        else if (value == "false" || value == "0") out = false;
        else error(given, "found \"" + given.values[0] + "\", allowed: true or false");
    }
    void use(const GivenFlag& given);
    void quantization(const GivenFlag& given, const std::string& value);

    ModelServer& m_server;
    const std::vector<WordPlace>& m_places;
    Findings& m_findings;
};

/// vLLM's --quantization (its registry of methods, 0.6 to 0.1x). The bits of some are known by the method, of others only
/// by the checkpoint.
void FlagReader::quantization(const GivenFlag& given, const std::string& value) {
    const std::vector<std::string> sized = {"awq", "awq_marlin", "gptq", "gptq_marlin", "gptq_marlin_24", "gptq_bitblas", "fp8", "fbgemm_fp8", "ptpc_fp8", "modelopt", "modelopt_fp4", "mxfp4", "petit_nvfp4", "bitsandbytes", "compressed-tensors", "marlin"};
    const std::vector<std::string> unsized = {"gguf", "hqq", "aqlm", "squeezellm", "torchao", "rtn", "qqq", "experts_int8", "tpu_int8", "deepspeedfp", "quark", "inc", "auto-round", "moe_wna16", "ipex", "neuron_quant", "bitblas", "fp_quant", "modelopt_mixed"};
    if (value == "None" || value == "none") return;
    m_server.quantization = value;
    if (std::find(sized.begin(), sized.end(), value) != sized.end()) return;
    if (std::find(unsized.begin(), unsized.end(), value) != unsized.end()) {
        m_findings.warnings.push_back({place(given).where, place(given).path, "--quantization " + value + " does not say how many bits a weight has; they are taken to be the checkpoint's, as the model's name says them"});
        return;
    }
    std::vector<std::string> all = sized;
    all.insert(all.end(), unsized.begin(), unsized.end());
    error(given, "found \"" + value + "\", allowed: " + join(sized) + did_you_mean(value, all));
}

void FlagReader::use(const GivenFlag& given) {
    ModelServer& s = m_server;
    const std::string name = given.flag->name;
    const std::string value = given.values.empty() ? "" : given.values[0];
    std::optional<bool> on;
    if (name == "model") { if (one_value(given, "a model")) s.model = value; }
    else if (name == "served-model-name") s.served_model_names = given.values;
    else if (name == "tensor-parallel-size") small(given, s.tensor_parallel, 1, 1024);
    else if (name == "pipeline-parallel-size") small(given, s.pipeline_parallel, 1, 1024);
    else if (name == "data-parallel-size") small(given, s.data_parallel, 1, 1024);
    else if (name == "enable-expert-parallel") { flag(given, on); s.expert_parallel = on.value_or(false); }
    else if (name == "max-model-len") { if (value != "-1" && value != "auto") integer(given, s.max_model_len, 1, 100'000'000); }
    else if (name == "gpu-memory-utilization") number(given, s.gpu_memory_utilization, 1e-6, 1, "a number above 0 and at most 1");
    else if (name == "max-num-seqs") small(given, s.max_num_seqs, 1, 1'000'000);
    else if (name == "max-num-batched-tokens") small(given, s.max_num_batched_tokens, 1, 100'000'000);
    else if (name == "enable-prefix-caching") flag(given, s.prefix_caching);
    else if (name == "enable-chunked-prefill") flag(given, s.chunked_prefill);
    else if (name == "enforce-eager") flag(given, s.enforce_eager);
    else if (name == "async-scheduling") flag(given, s.async_scheduling);
    else if (name == "block-size") small(given, s.block_size, 1, 4096);
    else if (name == "swap-space") number(given, s.swap_space_gib, 0, 1e6, "a number of GiB of at least 0");
    else if (name == "num-gpu-blocks-override") integer(given, s.num_gpu_blocks_override, 1, 1'000'000'000);
    else if (name == "kv-cache-memory-bytes") integer(given, s.kv_cache_bytes, 1, 1'000'000'000'000'000);
    else if (name == "long-prefill-token-threshold") small(given, s.long_prefill_token_threshold, 0, 100'000'000);
    else if (name == "max-cudagraph-capture-size") small(given, s.max_cudagraph_capture_size, 0, 1'000'000);
    else if (name == "stream-interval") small(given, s.stream_interval, 1, 1'000'000);
    else if (name == "port") small(given, s.port, 1, 65535);
    else if (name == "max-loras") small(given, s.lora.slots, 1, 4096);
    else if (name == "max-lora-rank") small(given, s.lora.rank, 1, 1024);
    else if (name == "fully-sharded-loras") { flag(given, on); s.lora.fully_sharded = on.value_or(false); }
    else if (name == "enable-lora") {
        flag(given, on);
        s.enable_lora = on.value_or(false);
        if (s.enable_lora)
            m_findings.warnings.push_back({place(given).where, place(given).path, "--enable-lora: the slots of its adapters are taken off the KV cache; a request to an adapter takes as long as one to the base model, "
                                                                                "and finds prefixes that were computed for another"});
    }
    else if (name == "kv-transfer-config") {
        if (const auto wrong = read_kv_transfer_config(value, s)) error(given, *wrong);
    }
    else if (name == "load-format") s.load_format = value;
    else if (name == "quantization") quantization(given, value);
    else if (name == "speculative-config") {
        Speculation spec;
        if (const auto wrong = read_speculative_config(value, spec)) error(given, *wrong);
        else s.speculation = spec;
    }
    else if (name == "scheduling-policy") {
        if (value == "priority") s.priority_scheduling = true;
        else if (value != "fcfs") error(given, "found \"" + value + "\", allowed: fcfs or priority");
    } else if (name == "preemption-mode") {
        if (value == "swap") s.swap_preemption = true;
        else if (value != "recompute") error(given, "found \"" + value + "\", allowed: recompute or swap");
    } else if (name == "dtype" || name == "kv-cache-dtype") {
        const bool kv = name == "kv-cache-dtype";
        const auto plain = plain_dtype(value, kv);
        if (plain) (kv ? s.kv_cache_dtype : s.dtype) = *plain;
        else error(given, "found \"" + value + "\", allowed: " + (kv ? "auto, bfloat16, fp8, fp8_e4m3, fp8_e5m2" : "auto, bfloat16, float16, half"));
    }
}

/// Where the flags of a simple command begin that starts a vLLM server; 0 = it starts none. KServe's Hugging Face
/// server runs vLLM with vLLM's flags and a few of its own.
std::size_t vllm_flags_begin(const std::vector<std::string>& command) {
    for (std::size_t i = 0; i < command.size(); ++i) {
        const std::string program = command[i].substr(command[i].rfind('/') + 1);
        const std::string next = i + 1 < command.size() ? command[i + 1] : "";
        if (program == "vllm" && next == "serve") return i + 2;
        if (command[i] == "-m" && (next == "vllm.entrypoints.openai.api_server" || next == "vllm.entrypoints.api_server" || next == "huggingfaceserver" || next == "dynamo.vllm")) return i + 2;
        if (command[i] == "-m" && i + 2 < command.size() && next == "vllm.entrypoints.cli.main" && command[i + 2] == "serve") return i + 3;
        if (program == "api_server.py" && i > 0 && command[0].find("python") != std::string::npos) return i + 1;
    }
    return 0;
}

bool is_huggingface_server(const std::vector<std::string>& command) {
    return std::find(command.begin(), command.end(), "huggingfaceserver") != command.end();
}

/// The official images, whose entry point is the server: vllm-openai and its builds for other devices
/// (vllm-openai-rocm), mirrors, deep learning containers named vllm, llm-d's and Red Hat's.
bool has_vllm_entry_point(const std::string& image) {
    const std::string repository = split_image(image).repository;
    const std::string name = repository.substr(repository.rfind('/') + 1);
    return name.starts_with("vllm-openai") || name == "vllm" || name.starts_with("vllm-cuda") || name.starts_with("vllm-rocm") || name.starts_with("odh-vllm-") || name == "llm-d" ||
           name.starts_with("llm-d-cuda") || name.starts_with("llm-d-aws");
}

/// A flag of a server that runs vLLM within it, and vLLM's for it.
struct WrapperFlag {
    const char *name, *vllm;  ///< "" = of no effect here
    bool value = true;
};
/// KServe's Hugging Face server (python/huggingfaceserver, from general knowledge).
constexpr WrapperFlag huggingface_flags[] = {{"model-id", "model"}, {"model-name", "served-model-name"}, {"max-length", "max-model-len"}, {"model-dir", ""}, {"model-revision", "revision"},
                                                 {"tokenizer-revision", "tokenizer-revision"}, {"http-port", "port"}, {"grpc-port", ""}, {"workers", ""}, {"max-threads", ""}, {"max-asyncio-workers", ""},
                                                 {"enable-grpc", ""}, {"enable-docs-url", ""}, {"enable-latency-logging", ""}, {"log-config-file", ""}, {"access-log-format", ""}, {"task", ""},
                                                 {"disable-lower-case", "", false}, {"disable-special-tokens", "", false}, {"return-token-type-ids", "", false}, {"return-probabilities", "", false},
                                                 {"predictor-host", ""}, {"predictor-protocol", ""}, {"backend", ""}};

/// Dynamo's worker (components/backends/vllm, 0.4 to 0.8, from general knowledge, not re-read, 2026-11).
constexpr WrapperFlag dynamo_flags[] = {{"is-prefill-worker", "", false}, {"is-decode-worker", "", false}, {"connector", ""}, {"migration-limit", ""}, {"request-plane", ""}, {"store-kv", ""},
                                        {"endpoint", ""}, {"namespace", ""}, {"dyn-tool-call-parser", ""}, {"dyn-reasoning-parser", ""}, {"custom-jinja-template", ""}};

/// Words of a command line, and the place of each where that is known.
struct PlacedWords {
    std::vector<std::string> words;
    std::vector<WordPlace> places;  ///< as many as words, or none
};

/// Such a server's flags as vLLM's. `backend` is what --backend says.
PlacedWords as_vllm_flags(const PlacedWords& given, std::span<const WrapperFlag> flags, std::string& backend) {
    PlacedWords out;
    const auto keep = [&](std::size_t i, std::string word) {
        out.words.push_back(std::move(word));
        if (!given.places.empty()) out.places.push_back(given.places[i]);
    };
    for (std::size_t i = 0; i < given.words.size(); ++i) {
        const std::string& word = given.words[i];
        const std::size_t equals = word.find('=');
        std::string name = word.starts_with("--") ? word.substr(2, equals == std::string::npos ? equals : equals - 2) : "";
        std::replace(name.begin(), name.end(), '_', '-');
        const auto row = std::find_if(flags.begin(), flags.end(), [&](const WrapperFlag& f) { return name == f.name; });
        if (row == flags.end()) {
            keep(i, word);
            continue;
        }
        std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        const std::size_t at = i;
        if (equals == std::string::npos && row->value && i + 1 < given.words.size()) value = given.words[++i];
        if (name == "backend") backend = value;
        else if (*row->vllm != '\0') keep(at, "--" + std::string(row->vllm) + "=" + value);
    }
    return out;
}

/// The flags that a --config file holds, as vLLM puts them before those of the command line: `key: value`, true for a
/// switch, a list for several values; false says nothing.
std::vector<GivenFlag> flags_of_file(const std::string& text, std::size_t word, std::string& wrong) {
    std::vector<GivenFlag> out;
    const auto parsed = parse_documents(text, "config");
    if (!parsed || parsed->size() != 1 || !parsed->front().root.is_map()) {
        wrong = "holds no YAML map";
        return out;
    }
    for (const Node& member : parsed->front().root.children) {
        if (member.is_null() || (member.kind == Node::Kind::boolean && !member.boolean)) continue;
        std::vector<std::string> words = {"--" + member.key}, rest;
        if (member.is_list())
            for (const Node& item : member.children) words.push_back(item.text);
        else if (member.is_map()) words.push_back(to_json(member).dump());
        else if (member.kind != Node::Kind::boolean) words[0] += "=" + member.text;
        for (GivenFlag& flag : split_flags(words, rest)) {
            flag.word = word;
            out.push_back(std::move(flag));
        }
    }
    return out;
}

/// `/models/Llama-3.1-8B-Instruct`, `/mnt/cache/models--org--name/...`: a folder that is named for a model that is known.
void resolve_model_path(ModelServer& server, Findings& findings) {
    const std::string& model = server.model;
    const bool path = model.starts_with("/") || model.starts_with("./") || model.find("://") != std::string::npos;
    std::error_code error;
    if (!path || std::filesystem::exists(model, error)) return;  // a config.json of the user's own
    const std::string named = model_of_uri(model);
    if (named.empty()) return;
    findings.warnings.push_back({server.where, server.path, "the model \"" + model + "\" is taken to be " + named});
    server.model = named;
}

/// Keys of a server of whole batches; any of them makes it one.
void decode_batching(Decoder& server, ModelServer& out) {
    BatchServing batching = out.batching.value_or(BatchServing{});
    bool any = false;
    if (const auto given = server.int32("max_batch_size", 1, 100'000)) batching.max_batch_size = *given, any = true;
    if (const auto given = server.int32("instances", 1, 1024)) batching.instances = *given, any = true;
    if (const auto given = server.number("max_queue_delay_ms", 0, 1e6)) batching.queue_delay_ms = *given, any = true;
    if (const auto given = server.boolean("delay_from_pick")) batching.delay_from_pick = *given, any = true;
    for (const auto& [key, value] : {std::pair{"batch_ms", &batching.batch_ms}, std::pair{"request_ms", &batching.request_ms}, std::pair{"token_us", &batching.token_us}})
        if (const auto given = server.number(key, 0, 1e6)) *value = *given, any = true;
    if (const auto given = server.text("preferred_batch_sizes")) {
        any = true;
        batching.preferred_sizes.clear();
        std::string rest = *given + ",";
        for (std::size_t comma = rest.find(','); comma != std::string::npos; comma = rest.find(',')) {
            const auto size = human_integer(rest.substr(0, comma));
            if (!size || *size < 1 || *size > 100'000) {
                server.error("preferred_batch_sizes", "found \"" + *given + "\", allowed: sizes with commas between them, as \"4,8\"");
                break;
            }
            batching.preferred_sizes.push_back(static_cast<std::int32_t>(*size));
            rest.erase(0, comma + 1);
        }
    }
    if (!any) return;
    out.batching = std::move(batching);
    out.engine = "batching";
}

}  // namespace

std::optional<KvShape> parse_kv_shape(const std::string& text) {
    std::int32_t parts[3] = {0, 0, 0};
    std::size_t count = 0;
    std::string rest = text + ",";
    for (std::size_t comma = rest.find(','); comma != std::string::npos; comma = rest.find(',')) {
        const auto number = human_integer(rest.substr(0, comma));
        if (count == 3 || !number || *number <= 0 || *number >= 1'000'000) return std::nullopt;
        parts[count++] = static_cast<std::int32_t>(*number);
        rest.erase(0, comma + 1);
    }
    if (count != 3) return std::nullopt;
    return KvShape{parts[0], parts[1], parts[2]};
}

std::optional<ModelServer> read_model_server(const Container& container, Findings& findings, const ServerSurroundings& surroundings) {
    ShellContext context;
    context.environment = surroundings.environment;
    context.files = surroundings.files;
    context.gpus = container.resources.gpus();
    for (const EnvironmentVariable& variable : container.environment)
        context.environment[variable.name] = variable.known ? expand_kubernetes(variable.value, context.environment) : "$(" + variable.name + ")";

    std::vector<std::string> words = container.command;
    words.insert(words.end(), container.args.begin(), container.args.end());
    const auto commands = find_commands(words, context, [](const auto& c) { return vllm_flags_begin(c) > 0; });
    std::vector<std::string> command = commands.empty() ? std::vector<std::string>{} : commands[0];
    // Where the first flag stands among the container's words; nothing in a shell's script.
    std::size_t first_place = command.size() == words.size() ? vllm_flags_begin(command) : container.word_places.size();
    const bool huggingface_image = split_image(container.image).repository.ends_with("huggingfaceserver");
    if (command.empty()) {
        // The image's entry point is the server itself; args are its flags.
        if (!(has_vllm_entry_point(container.image) || huggingface_image) || !container.command.empty()) {
            if (auto batching = read_batching_server(container, context, findings)) return batching;
            return read_other_server(container, findings, context, surroundings.pods);
        }
        first_place = 0;
        if (huggingface_image) command = {"python", "-m", "huggingfaceserver"};
        else command = {"vllm", "serve"};
        const std::size_t before = command.size();
        for (const std::string& arg : container.args) command.push_back(expand_kubernetes(arg, context.environment));
        if (command.size() > before && command[before] == "serve") {
            command.erase(command.begin() + static_cast<std::ptrdiff_t>(before));
            first_place = 1;
        }
    }

    ModelServer server;
    server.where = container.where;
    server.path = container.path + (container.args.empty() ? ".command" : ".args");
    if (!container.word_places.empty()) server.where = container.word_places[container.args.empty() ? 0 : container.word_places.size() - container.args.size()].where;
    const auto report = [&](const std::string& message) { findings.errors.push_back({server.where, server.path, message}); };
    if (commands.size() > 1 && commands[1] != commands[0])
        findings.warnings.push_back({server.where, server.path, "starts vLLM in " + std::to_string(commands.size()) + " ways; the first is taken: " + join(commands[0], " ")});
    PlacedWords given;
    given.words.assign(command.begin() + static_cast<std::ptrdiff_t>(vllm_flags_begin(command)), command.end());
    for (std::size_t i = first_place; i < container.word_places.size(); ++i) given.places.push_back(container.word_places[i]);
    if (given.places.size() != given.words.size()) given.places.clear();
    std::string backend;
    if (std::find(command.begin(), command.end(), "dynamo.vllm") != command.end()) given = as_vllm_flags(given, dynamo_flags, backend);
    if (is_huggingface_server(command)) {
        server.port = 8080;
        given = as_vllm_flags(given, huggingface_flags, backend);
        if (backend == "huggingface") report("--backend huggingface runs the model without vLLM, which is not simulated, allowed: auto or vllm");
    }
    std::vector<std::string> positional;
    std::vector<GivenFlag> flags = split_flags(given.words, positional);
    FlagReader reader(server, given.places, findings);
    for (GivenFlag& flag : flags) {
        if (!flag.flag || flag.flag->name != std::string_view("config") || flag.values.empty()) continue;
        const auto file = context.files.find(flag.values[0]);
        std::string wrong = "is in no ConfigMap that is mounted there";
        if (file != context.files.end()) {
            wrong.clear();
            reader.read(flags_of_file(file->second, flag.word, wrong));
        }
        if (!wrong.empty()) report("--config " + flag.values[0] + " " + wrong + ", allowed: a ConfigMap volume of the manifests with that file, or its options as flags");
        flag.flag = nullptr;
        flag.name.clear();
    }
    std::erase_if(flags, [](const GivenFlag& flag) { return !flag.flag && flag.name.empty(); });
    const bool named_by_flag = std::any_of(flags.begin(), flags.end(), [](const GivenFlag& f) { return f.flag && f.flag->name == std::string_view("model"); });
    reader.read(flags);
    if (!positional.empty() && !named_by_flag) {
        server.model = positional[0];
        positional.erase(positional.begin());
    }
    for (const std::string& word : positional) report("found \"" + word + "\" among vLLM's flags, which belongs to none of them");
    if (server.model.find("$(") != std::string::npos || server.model.find("${") != std::string::npos)
        report("the model is \"" + server.model + "\", whose variable has no value in the manifest, allowed: an env entry with that name and a value");
    else resolve_model_path(server, findings);
    server.vllm_version = vllm_version_of_image(container.image);
    if (server.vllm_version.empty())
        findings.warnings.push_back({container.where, container.path + ".image", "\"" + container.image + "\" names no vLLM version; the newest profile is used"});
    read_vllm_environment(context.environment, server, findings);

    const std::int64_t needed = std::int64_t{server.tensor_parallel} * server.pipeline_parallel * server.data_parallel;
    const std::int64_t gpus = container.resources.gpus() * surroundings.pods;
    std::string accelerator;
    for (const char* name : {"google.com/tpu", "aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "aws.amazon.com/neurondevice", "habana.ai/gaudi"})
        if (container.resources.extended.contains(name)) accelerator = name;
    if (!accelerator.empty())
        report("serves a model on " + accelerator + ", which is not simulated, allowed: GPUs (resources.limits nvidia.com/gpu or amd.com/gpu)");
    else if (gpus == 0)
        report("serves a model but its container asks for no GPU, allowed: resources.limits nvidia.com/gpu: " + std::to_string(needed));
    else if (gpus < needed)
        report("found tensor x pipeline x data parallel = " + std::to_string(needed) + " on " + std::to_string(gpus) + " GPUs, allowed: at most the GPUs in resources.limits");
    else if (gpus > needed)
        findings.warnings.push_back({server.where, server.path, "uses " + std::to_string(needed) + " of the " + std::to_string(gpus) + " GPUs its container asks for"});
    return server;
}

ModelServer decode_model_server(Decoder& server, const ModelServer& base) {
    ModelServer out = base;
    out.where = server.where();
    out.path = server.path();
    const auto text = [&](const char* key, std::string& value) {
        if (auto given = server.text(key)) value = std::move(*given);
    };
    const auto dtype = [&](const char* key, bool kv, std::string& value) {
        const auto given = server.text(key);
        if (!given) return;
        const auto plain = plain_dtype(*given, kv);
        if (plain) value = *plain;
        else server.error(key, "found \"" + *given + "\", allowed: " + (kv ? "auto, bf16, fp16, fp8" : "auto, bf16, fp16, fp8, mxfp4, nvfp4, int4"));
    };
    const auto count = [&](const char* key, auto& value, std::int32_t least, std::int32_t most) {
        if (const auto given = server.int32(key, least, most)) value = *given;
    };
    const auto on_off = [&](const char* key, auto& value) {
        if (const auto given = server.boolean(key)) value = *given;
    };
    const auto number = [&](const char* key, std::optional<double>& value, double least, double most) {
        if (const auto given = server.number(key, least, most)) value = given;
    };
    text("model", out.model);
    text("gpu", out.gpu);
    text("vllm_version", out.vllm_version);
    text("quantization", out.quantization);
    text("load_format", out.load_format);
    if (const auto engine = server.choice<std::string>("engine", {{"v0", "v0"}, {"v1", "v1"}})) out.engine_generation = *engine;
    if (const auto policy = server.choice<bool>("scheduling_policy", {{"fcfs", false}, {"priority", true}})) out.priority_scheduling = *policy;
    if (const auto mode = server.choice<bool>("preemption_mode", {{"recompute", false}, {"swap", true}})) out.swap_preemption = *mode;
    dtype("dtype", false, out.dtype);
    dtype("kv_cache_dtype", true, out.kv_cache_dtype);
    count("tp", out.tensor_parallel, 1, 1024);
    count("pp", out.pipeline_parallel, 1, 1024);
    count("dp", out.data_parallel, 1, 1024);
    count("max_num_seqs", out.max_num_seqs, 1, 1'000'000);
    count("max_num_batched_tokens", out.max_num_batched_tokens, 1, 100'000'000);
    count("block_size", out.block_size, 1, 4096);
    count("max_cudagraph_capture_size", out.max_cudagraph_capture_size, 0, 1'000'000);
    count("long_prefill_token_threshold", out.long_prefill_token_threshold, 0, 100'000'000);
    count("stream_interval", out.stream_interval, 1, 1'000'000);
    count("port", out.port, 1, 65535);
    on_off("ep", out.expert_parallel);
    on_off("enable_prefix_caching", out.prefix_caching);
    on_off("enable_chunked_prefill", out.chunked_prefill);
    on_off("async_scheduling", out.async_scheduling);
    on_off("enforce_eager", out.enforce_eager);
    on_off("enable_lora", out.enable_lora);
    count("max_loras", out.lora.slots, 1, 4096);
    count("max_lora_rank", out.lora.rank, 1, 1024);
    number("gpu_memory_utilization", out.gpu_memory_utilization, 1e-6, 1);
    number("swap_space", out.swap_space_gib, 0, 1e6);
    number("acceptance_rate", out.acceptance_rate, 0, 1);
    decode_batching(server, out);
    if (const auto given = server.text("speculative_config")) {
        Speculation spec;
        if (const auto wrong = read_speculative_config(*given, spec)) server.error("speculative_config", *wrong);
        else out.speculation = spec;
    }
    if (const auto given = server.integer("max_model_len", 1, 100'000'000)) out.max_model_len = given;
    if (const auto given = server.integer("num_gpu_blocks_override", 1, 1'000'000'000)) out.num_gpu_blocks_override = given;
    if (const auto given = server.integer("gpu_memory_bytes", 1)) out.gpu_memory_bytes = given;
    if (const auto size = server.number("kv_cache_gib", 0, 1e6)) out.kv_cache_bytes = std::llround(*size * gib);
    if (const auto given = server.text("kv_shape")) {
        out.kv_shape = parse_kv_shape(*given);
        if (!out.kv_shape) server.error("kv_shape", "found \"" + *given + "\", allowed: LAYERS,KV_HEADS,HEAD_DIM");
    }
    server.finish();
    return out;
}

std::optional<ModelServer> read_server_annotations(const std::map<std::string, std::string>& annotations,
                                                   const ModelServer& base, const SourcePosition& where, const std::string& path,
                                                   Findings& findings) {
    const std::string prefix = "windtunnel.dev/";
    Node map;
    map.kind = Node::Kind::map;
    map.line = where.line;
    map.column = where.column;
    for (const auto& [key, value] : annotations) {
        if (!key.starts_with(prefix) || key == early_health_annotation || key == pre_stop_annotation) continue;
        Node member = resolve_plain_scalar(value);  // annotations are text; "2" means 2 here
        for (const char* text_key : {"vllm_version", "vllm-version", "kv_shape", "kv-shape", "preferred_batch_sizes", "preferred-batch-sizes"})
            if (key.substr(prefix.size()) == text_key) member.kind = Node::Kind::string;
        member.key = key.substr(prefix.size());
        std::replace(member.key.begin(), member.key.end(), '-', '_');
        member.line = where.line;
        member.column = where.column;
        map.children.push_back(std::move(member));
    }
    if (map.children.empty()) return std::nullopt;
    Decoder decoder(map, path, where.file, findings);
    return decode_model_server(decoder, base);
}

}  // namespace windtunnel
