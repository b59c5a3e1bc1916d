// The flags of `vllm serve`, from its engine arguments and front-end arguments, versions 0.4 to 0.2x
// (vllm/engine/arg_utils.py, vllm/entrypoints/openai/cli_args.py; names as documented, 2024 to 2026).
#include "scenarios/commands/vllm_flags.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

constexpr FlagRole U = FlagRole::used, H = FlagRole::harmless, W = FlagRole::stood_in, X = FlagRole::unsupported;
constexpr FlagValues F0 = FlagValues::none, F1 = FlagValues::one, FO = FlagValues::optional, FM = FlagValues::many;

constexpr const char* one_front_end = "says where data parallel ranks run: all of a workload's stand behind one front end here";
constexpr const char* even_experts = "evens out the load of experts: they are taken to be loaded evenly, without redundant copies, whose memory is not taken off";
constexpr const char* no_overlap = "overlaps halves of a batch: step times are those without it";

constexpr VllmFlag flags[] = {
    // What the engine is.
    {"model", U, F1},
    {"served-model-name", U, FM},
    {"tensor-parallel-size", U, F1},
    {"pipeline-parallel-size", U, F1},
    {"data-parallel-size", U, F1},
    {"enable-expert-parallel", U, F0},
    {"max-model-len", U, F1},
    {"gpu-memory-utilization", U, F1},
    {"max-num-seqs", U, F1},
    {"max-num-batched-tokens", U, F1},
    {"enable-prefix-caching", U, F0},
    {"kv-cache-dtype", U, F1},
    {"dtype", U, F1},
    {"quantization", U, F1},
    {"block-size", U, F1},
    {"enable-chunked-prefill", U, FO},
    {"swap-space", U, F1},
    {"preemption-mode", U, F1},
    {"num-gpu-blocks-override", U, F1},
    {"kv-cache-memory-bytes", U, F1},
    {"enforce-eager", U, F0},
    {"async-scheduling", U, F0},
    {"scheduling-policy", U, F1},
    {"long-prefill-token-threshold", U, F1},
    {"max-cudagraph-capture-size", U, F1},
    {"max-seq-len-to-capture", H, F1},
    {"stream-interval", U, F1},
    {"load-format", U, F1},
    {"port", U, F1},
    // What would change step times, memory or admission and is not simulated.
    {"config", X, F1, "options kept in a file"},
    {"enable-lora", U, F0},
    {"lora-modules", H, FM},
    {"max-loras", U, F1},
    {"max-lora-rank", U, F1},
    {"max-cpu-loras", H, F1},
    {"fully-sharded-loras", U, F0},
    {"enable-prompt-adapter", X, F0, "prompt adapters take memory and time"},
    {"speculative-config", U, F1},
    {"speculative-model", X, F1, "an old form of --speculative-config"},
    {"num-speculative-tokens", X, F1, "an old form of --speculative-config"},
    {"speculative-draft-tensor-parallel-size", X, F1, "an old form of --speculative-config"},
    {"kv-transfer-config", U, F1},
    {"kv-offloading-size", X, F1, "KV cache in host memory"},
    {"kv-offloading-backend", X, F1, "KV cache in host memory"},
    {"cpu-offload-gb", X, F1, "weights in host memory", "0"},
    {"num-scheduler-steps", X, F1, "several decode steps per scheduling step", "1"},
    {"multi-step-stream-outputs", H, FO},
    {"scheduler-delay-factor", X, F1, "a delay before prompts are scheduled", "0.0"},
    {"max-num-partial-prefills", X, F1, "several partial prefills at once", "1"},
    {"max-long-partial-prefills", X, F1, "several partial prefills at once", "1"},
    {"data-parallel-size-local", W, F1, one_front_end},
    {"data-parallel-address", W, F1, one_front_end},
    {"data-parallel-start-rank", W, F1, one_front_end},
    {"enable-eplb", W, F0, even_experts},
    {"enable-dbo", W, F0, no_overlap},
    {"decode-context-parallel-size", X, F1, "context parallelism", "1"},
    {"prefill-context-parallel-size", X, F1, "context parallelism", "1"},
    {"disable-sliding-window", X, F0, "a model's sliding window switched off"},
    {"disable-hybrid-kv-cache-manager", X, F0, "the hybrid KV cache manager switched off"},
    {"hf-overrides", X, F1, "a changed model configuration"},
    {"rope-scaling", X, F1, "a changed context length; give --max-model-len with a config.json of that shape"},
    {"device", X, F1, "devices other than CUDA", "cuda"},
    {"performance-mode", X, F1, "another set of defaults", "balanced"},
    {"kv-cache-watermark", X, F1, "a KV cache watermark", "0"},
    {"ngram-prompt-lookup-max", X, F1, "an old form of --speculative-config"},
    {"ngram-prompt-lookup-min", X, F1, "an old form of --speculative-config"},
    {"speculative-max-model-len", X, F1, "an old form of --speculative-config"},
    {"speculative-disable-by-batch-size", X, F1, "an old form of --speculative-config"},
    {"speculative-model-quantization", X, F1, "an old form of --speculative-config"},
    {"spec-decoding-acceptance-method", X, F1, "an old form of --speculative-config"},
    {"speculative-disable-mqa-scorer", X, FO, "an old form of --speculative-config"},
    {"typical-acceptance-sampler-posterior-threshold", X, F1, "an old form of --speculative-config"},
    {"typical-acceptance-sampler-posterior-alpha", X, F1, "an old form of --speculative-config"},
    {"prompt-adapters", X, FM, "prompt adapters take memory and time"},
    {"max-prompt-adapters", X, F1, "prompt adapters take memory and time"},
    {"max-prompt-adapter-token", X, F1, "prompt adapters take memory and time"},
    {"lora-extra-vocab-size", H, F1},
    {"lora-dtype", H, F1},
    {"long-lora-scaling-factors", X, F1, "LoRA adapters that lengthen the context"},
    {"default-mm-loras", H, F1},
    {"qlora-adapter-name-or-path", X, F1, "an adapter of quantised weights"},
    {"data-parallel-rank", X, F1, "data parallel ranks on several nodes"},
    {"data-parallel-hybrid-lb", W, F0, one_front_end},
    {"data-parallel-external-lb", X, F0, "data parallel ranks on several nodes"},
    {"eplb-config", W, F1, even_experts},
    {"num-redundant-experts", W, F1, even_experts},
    {"ubatch-size", W, F1, no_overlap, "0"},
    {"scheduler-cls", X, F1, "another scheduler than vLLM's own"},
    {"ec-transfer-config", X, F1, "encoder results between servers"},
    {"mm-encoder-only", X, F0, "encoders on servers of their own"},
    // What concerns the HTTP front end, logging, where files come from, or only the text that is said.
    {"host", H, F1}, {"uds", H, F1}, {"uvicorn-log-level", H, F1}, {"disable-uvicorn-access-log", H, F0},
    {"allow-credentials", H, F0}, {"allowed-origins", H, F1}, {"allowed-methods", H, F1}, {"allowed-headers", H, F1},
    {"api-key", H, FM}, {"chat-template", H, F1}, {"chat-template-content-format", H, F1}, {"trust-request-chat-template", H, F0},
    {"default-chat-template-kwargs", H, F1}, {"response-role", H, F1}, {"ssl-keyfile", H, F1}, {"ssl-certfile", H, F1},
    {"ssl-ca-certs", H, F1}, {"ssl-cert-reqs", H, F1}, {"enable-ssl-refresh", H, F0}, {"root-path", H, F1}, {"middleware", H, F1},
    {"return-tokens-as-token-ids", H, F0}, {"disable-frontend-multiprocessing", H, F0}, {"enable-request-id-headers", H, F0},
    {"enable-auto-tool-choice", H, F0}, {"tool-call-parser", H, F1}, {"tool-parser-plugin", H, F1}, {"tool-server", H, F1},
    {"exclude-tools-when-tool-choice-none", H, F0}, {"disable-log-requests", H, F0}, {"enable-log-requests", H, F0},
    {"enable-log-outputs", H, F0}, {"max-log-len", H, F1}, {"log-config-file", H, F1}, {"disable-log-stats", H, F0},
    {"disable-fastapi-docs", H, F0}, {"enable-prompt-tokens-details", H, F0}, {"enable-force-include-usage", H, F0},
    {"enable-server-load-tracking", H, F0}, {"enable-tokenizer-info-endpoint", H, F0}, {"api-server-count", H, F1},
    {"headless", H, F0}, {"h11-max-incomplete-event-size", H, F1}, {"h11-max-header-count", H, F1},
    {"tokenizer", H, F1}, {"tokenizer-mode", H, F1}, {"tokenizer-revision", H, F1}, {"tokenizer-pool-size", H, F1},
    {"tokenizer-pool-type", H, F1}, {"tokenizer-pool-extra-config", H, F1}, {"skip-tokenizer-init", H, F0},
    {"trust-remote-code", H, F0}, {"revision", H, F1}, {"code-revision", H, F1}, {"download-dir", H, F1}, {"config-format", H, F1},
    {"hf-config-path", H, F1}, {"hf-token", H, FO}, {"model-loader-extra-config", H, F1}, {"safetensors-load-strategy", H, F1},
    {"ignore-patterns", H, FM}, {"use-tqdm-on-load", H, F0}, {"model-impl", H, F1}, {"seed", H, F1},
    {"task", H, F1}, {"runner", H, F1}, {"convert", H, F1}, {"generation-config", H, F1}, {"override-generation-config", H, F1},
    {"guided-decoding-backend", H, F1}, {"guided-decoding-disable-fallback", H, F0}, {"structured-outputs-config", H, F1},
    {"logits-processor-pattern", H, F1}, {"logits-processors", H, FM}, {"max-logprobs", H, F1}, {"logprobs-mode", H, F1},
    {"reasoning-parser", H, F1}, {"enable-reasoning", H, F0}, {"reasoning-parser-plugin", H, F1}, {"override-neuron-config", H, F1},
    {"limit-mm-per-prompt", H, F1}, {"mm-processor-kwargs", H, F1}, {"disable-mm-preprocessor-cache", H, F0},
    {"mm-processor-cache-gb", H, F1}, {"mm-encoder-tp-mode", H, F1}, {"media-io-kwargs", H, F1}, {"interleave-mm-strings", H, F0},
    {"allowed-local-media-path", H, F1}, {"allowed-media-domains", H, FM}, {"skip-mm-profiling", H, F0}, {"language-model-only", H, F0},
    {"distributed-executor-backend", H, F1}, {"worker-use-ray", H, F0}, {"ray-workers-use-nsight", H, F0}, {"worker-cls", H, F1},
    {"worker-extension-cls", H, F1}, {"engine-use-ray", H, F0}, {"max-parallel-loading-workers", H, F1},
    {"disable-custom-all-reduce", H, F0}, {"use-v2-block-manager", H, F0}, {"num-lookahead-slots", H, F1},
    {"disable-async-output-proc", H, F0}, {"compilation-config", H, F1}, {"cuda-graph-sizes", H, FM},
    {"cudagraph-capture-sizes", H, FM}, {"optimization-level", H, F1}, {"disable-cascade-attn", H, F0}, {"attention-backend", H, F1},
    {"otlp-traces-endpoint", H, F1}, {"collect-detailed-traces", H, FM}, {"show-hidden-metrics-for-version", H, F1},
    {"enable-sleep-mode", H, F0}, {"calculate-kv-scales", H, F0}, {"prefix-caching-hash-algo", H, F1},
    {"enable-multimodal-encoder-data-parallel", H, F0}, {"additional-config", H, F1}, {"kv-events-config", H, F1},
    {"kv-sharing-fast-prefill", H, F0}, {"quantization-param-path", H, F1}, {"rope-theta", H, F1}, {"data-parallel-backend", H, F1},
    {"data-parallel-rpc-port", H, F1}, {"all2all-backend", H, F1}, {"numa-bind", H, F0}, {"shutdown-timeout", H, F1},
    {"nnodes", H, F1},  // a group's pods; what they hold is checked with its GPUs
    {"node-rank", H, F1},
    {"master-addr", H, F1},
    {"master-port", H, F1},
    {"ssl-ciphers", H, F1},
    {"guided-decoding-disable-any-whitespace", H, F0},
    {"guided-decoding-disable-additional-properties", H, F0},
    {"disable-logprobs-during-spec-decoding", H, FO},
    {"max-context-len-to-capture", H, F1},
    {"disable-chunked-mm-input", H, F0},
    {"enable-mm-embeds", H, F0},
    {"io-processor-plugin", H, F1},
    {"mm-encoder-attn-backend", H, F1},
    {"mm-shm-cache-max-object-size-mb", H, F1},
    {"mm-processor-cache-type", H, F1},
    {"pooler-config", H, F1},
    {"override-pooler-config", H, F1},
    {"override-attention-dtype", H, F1},
    {"disable-nccl-for-dp-synchronization", H, F0},
    {"log-error-stack", H, F0},
    {"kv-cache-metrics", H, F0},
    {"kv-cache-metrics-sample", H, F1},
    {"cudagraph-metrics", H, F0},
    {"enable-layerwise-nvtx-tracing", H, F0},
    {"enable-flashinfer-autotune", H, F0},
    {"moe-backend", H, F1},
    {"attention-config", H, F1},
    {"profiler-config", H, F1},
    {"expert-placement-strategy", H, F1},
    {"enable-log-deltas", H, F0},
    {"dbo-decode-token-threshold", H, F1},
    {"dbo-prefill-token-threshold", H, F1},
    {"eplb-window-size", H, F1},
    {"eplb-step-interval", H, F1},
    {"eplb-log-balancedness", H, F0},
    {"cp-kv-cache-interleave-size", H, F1},
    {"dcp-kv-cache-interleave-size", H, F1},
};

struct Short {
    const char* letters;
    const char* name;
};
constexpr Short short_forms[] = {{"tp", "tensor-parallel-size"}, {"pp", "pipeline-parallel-size"}, {"dp", "data-parallel-size"},
                                 {"dpl", "data-parallel-size-local"}, {"dpa", "data-parallel-address"}, {"dpp", "data-parallel-rpc-port"},
                                 {"dpb", "data-parallel-backend"}, {"dpr", "data-parallel-start-rank"}, {"dpn", "data-parallel-rank"},
                                 {"dph", "data-parallel-hybrid-lb"}, {"dpe", "data-parallel-external-lb"}, {"ep", "enable-expert-parallel"},
                                 {"q", "quantization"}, {"O", "optimization-level"}, {"cc", "compilation-config"},
                                 {"sc", "speculative-config"}, {"dcp", "decode-context-parallel-size"}, {"asc", "api-server-count"},
                                 {"ac", "attention-backend"}, {"n", "nnodes"}};

bool is_flag(const std::string& word) {
    if (word.size() < 2 || word[0] != '-') return false;
    return !(word[1] >= '0' && word[1] <= '9') && word[1] != '.';  // -1 is a value
}

/// Python's parser takes any beginning of a flag that is the beginning of no other.
const VllmFlag* abbreviated(const std::string& name) {
    const VllmFlag* found = nullptr;
    for (const VllmFlag& flag : flags) {
        if (name.size() < 3 || !std::string_view(flag.name).starts_with(name)) continue;
        if (found) return nullptr;
        found = &flag;
    }
    return found;
}

}  // namespace

const VllmFlag* find_vllm_flag(std::string_view name) {
    for (const VllmFlag& flag : flags)
        if (name == flag.name) return &flag;
    return nullptr;
}

std::vector<std::string> vllm_flag_names() {
    std::vector<std::string> names;
    for (const VllmFlag& flag : flags) names.emplace_back(flag.name);
    return names;
}

std::vector<GivenFlag> split_flags(const std::vector<std::string>& words, std::vector<std::string>& positional) {
    std::vector<GivenFlag> out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (!is_flag(words[i])) {
            positional.push_back(words[i]);
            continue;
        }
        GivenFlag given;
        given.word = i;
        const bool is_long = words[i].starts_with("--");
        std::string name = words[i].substr(is_long ? 2 : 1);
        if (const std::size_t equals = name.find('='); equals != std::string::npos) {
            given.values.push_back(name.substr(equals + 1));
            name.resize(equals);
        }
        given.name = name;
        if (is_long) {
            std::replace(name.begin(), name.end(), '_', '-');
            given.flag = find_vllm_flag(name.substr(0, name.find('.')));  // --compilation-config.level 3
            if (!given.flag) given.flag = abbreviated(name);
            if (!given.flag && name.starts_with("no-")) {
                given.flag = find_vllm_flag(name.substr(3));
                given.negated = given.flag != nullptr;
            }
        } else {
            for (const Short& form : short_forms)
                if (name == form.letters || (name.starts_with("O") && form.letters == std::string_view("O"))) given.flag = find_vllm_flag(form.name);
            if (name.size() > 1 && name[0] == 'O' && given.values.empty()) given.values.push_back(name.substr(1));  // -O3
        }
        const FlagValues takes = given.flag ? given.flag->values : FlagValues::optional;
        const auto next_is_value = [&] { return i + 1 < words.size() && !is_flag(words[i + 1]); };
        if (given.values.empty() && !given.negated && takes != FlagValues::none) {
            if (takes == FlagValues::optional) {
                const bool boolean = next_is_value() && (words[i + 1] == "True" || words[i + 1] == "False" || words[i + 1] == "true" || words[i + 1] == "false");
                if (boolean || (!given.flag && next_is_value())) given.values.push_back(words[++i]);
            } else if (takes == FlagValues::one) {
                // Everything but another long flag is the value, negative numbers included.
                if (next_is_value()) given.values.push_back(words[++i]);
            } else {
                while (next_is_value()) given.values.push_back(words[++i]);
            }
        }
        out.push_back(std::move(given));
    }
    return out;
}

}  // namespace windtunnel
