// The variables that vLLM reads (vllm/envs.py, releases 0.6 to 0.1x; names from general knowledge, 2024 to 2026).
#include "scenarios/servers/vllm_environment.hpp"

#include <algorithm>

namespace windtunnel {
namespace {

enum class Effect : std::uint8_t {
    used,      ///< read by this file
    harmless,  ///< logging, files, addresses, time-outs: a note
    kernels,   ///< another kernel than the default: step times may differ a little, a warning
    warn,      ///< changes something at the margin that is not simulated
    refuse,    ///< would change the result; "0" and "" do not
};

struct Variable {
    const char* name;
    Effect effect;
    const char* why = "";
};

constexpr Variable variables[] = {
    {"VLLM_USE_V1", Effect::used},
    {"VLLM_DP_SIZE", Effect::refuse, "data parallel ranks on several pods"},
    {"VLLM_DP_RANK", Effect::refuse, "data parallel ranks on several pods"},
    {"VLLM_DP_RANK_LOCAL", Effect::refuse, "data parallel ranks on several pods"},
    {"VLLM_TARGET_DEVICE", Effect::used},
    {"VLLM_CPU_KVCACHE_SPACE", Effect::warn, "the KV cache of a CPU server, which is not simulated"},
    {"VLLM_CPU_OMP_THREADS_BIND", Effect::warn, "threads of a CPU server, which is not simulated"},
    {"VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE", Effect::warn, "a bound of one MoE kernel"},
    {"VLLM_FUSED_MOE_CHUNK_SIZE", Effect::warn, "how many tokens of a prefill a MoE layer takes at once"},
    {"VLLM_ENABLE_V1_MULTIPROCESSING", Effect::warn, "the engine in the API server's process, where each slows the other"},
    {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS", Effect::warn, "memory that CUDA graphs take out of the KV cache"},
    {"VLLM_ALLOW_RUNTIME_LORA_UPDATING", Effect::warn, "LoRA adapters loaded later take memory and time"},
    {"VLLM_USE_MODELSCOPE", Effect::warn, "weights come from ModelScope; their download is taken to be as fast as from Hugging Face"},
    {"VLLM_SERVER_DEV_MODE", Effect::warn, "calls that reset caches or put the server to sleep are not simulated"},
    // Kernels.
    {"VLLM_ATTENTION_BACKEND", Effect::kernels}, {"VLLM_FLASH_ATTN_VERSION", Effect::kernels}, {"VLLM_USE_TRITON_FLASH_ATTN", Effect::kernels},
    {"VLLM_USE_TRITON_AWQ", Effect::kernels}, {"VLLM_USE_DEEP_GEMM", Effect::kernels}, {"VLLM_USE_DEEP_GEMM_E8M0", Effect::kernels}, {"VLLM_USE_TRTLLM_ATTENTION", Effect::kernels},
    {"VLLM_USE_TRTLLM_DECODE_ATTENTION", Effect::kernels}, {"VLLM_USE_FLASHINFER_SAMPLER", Effect::kernels}, {"VLLM_FLASHINFER_MOE_BACKEND", Effect::kernels},
    {"VLLM_MOE_USE_DEEP_GEMM", Effect::kernels}, {"VLLM_MLA_DISABLE", Effect::refuse, "DeepSeek's attention with a full KV cache"}, {"VLLM_ALL2ALL_BACKEND", Effect::kernels},
    {"VLLM_TORCH_COMPILE_LEVEL", Effect::kernels}, {"VLLM_DISABLED_KERNELS", Effect::kernels}, {"VLLM_USE_STANDALONE_COMPILE", Effect::harmless}, {"VLLM_MARLIN_USE_ATOMIC_ADD", Effect::kernels},
    {"VLLM_TEST_FORCE_FP8_MARLIN", Effect::kernels}, {"VLLM_ALLREDUCE_USE_SYMM_MEM", Effect::kernels}, {"VLLM_USE_NCCL_SYMM_MEM", Effect::kernels}, {"VLLM_USE_CUDNN_PREFILL", Effect::kernels},
    {"VLLM_SKIP_DEEP_GEMM_WARMUP", Effect::harmless}, {"VLLM_DEEP_GEMM_WARMUP", Effect::harmless}, {"VLLM_USE_RAY_COMPILED_DAG", Effect::kernels}, {"VLLM_USE_RAY_SPMD_WORKER", Effect::kernels},
    {"VLLM_USE_CUSTOM_OPS", Effect::kernels}, {"VLLM_KV_CACHE_LAYOUT", Effect::kernels}, {"VLLM_DISABLE_PYNCCL", Effect::kernels}, {"VLLM_FP8_PADDING", Effect::kernels},
    // Logging, files, addresses, time-outs, what is downloaded how.
    {"VLLM_API_KEY", Effect::harmless}, {"VLLM_ALLOW_LONG_MAX_MODEL_LEN", Effect::harmless}, {"VLLM_ALLOW_INSECURE_SERIALIZATION", Effect::harmless}, {"VLLM_ASSETS_CACHE", Effect::harmless},
    {"VLLM_AUDIO_FETCH_TIMEOUT", Effect::harmless}, {"VLLM_CACHE_ROOT", Effect::harmless}, {"VLLM_CI_USE_S3", Effect::harmless}, {"VLLM_CONFIGURE_LOGGING", Effect::harmless},
    {"VLLM_CONFIG_ROOT", Effect::harmless}, {"VLLM_DEBUG_LOG_API_SERVER_RESPONSE", Effect::harmless}, {"VLLM_DISABLE_COMPILE_CACHE", Effect::harmless}, {"VLLM_DO_NOT_TRACK", Effect::harmless},
    {"VLLM_DP_MASTER_IP", Effect::harmless}, {"VLLM_DP_MASTER_PORT", Effect::harmless}, {"VLLM_ENGINE_ITERATION_TIMEOUT_S", Effect::harmless}, {"VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS", Effect::harmless},
    {"VLLM_HOST_IP", Effect::harmless}, {"VLLM_HTTP_TIMEOUT_KEEP_ALIVE", Effect::harmless}, {"VLLM_IMAGE_FETCH_TIMEOUT", Effect::harmless}, {"VLLM_KEEP_ALIVE_ON_ENGINE_DEATH", Effect::harmless},
    {"VLLM_LOGGING_CONFIG_PATH", Effect::harmless}, {"VLLM_LOGGING_LEVEL", Effect::harmless}, {"VLLM_LOGGING_PREFIX", Effect::harmless}, {"VLLM_LOGGING_STREAM", Effect::harmless},
    {"VLLM_LOG_STATS_INTERVAL", Effect::harmless}, {"VLLM_LORA_RESOLVER_CACHE_DIR", Effect::harmless}, {"VLLM_MAX_AUDIO_CLIP_FILESIZE_MB", Effect::harmless}, {"VLLM_MEDIA_LOADING_THREAD_COUNT", Effect::harmless},
    {"VLLM_MM_INPUT_CACHE_GIB", Effect::harmless}, {"VLLM_MODEL_REDIRECT_PATH", Effect::harmless}, {"VLLM_MSGPACK_ZERO_COPY_THRESHOLD", Effect::harmless}, {"VLLM_NCCL_SO_PATH", Effect::harmless},
    {"VLLM_NIXL_SIDE_CHANNEL_HOST", Effect::harmless}, {"VLLM_NIXL_SIDE_CHANNEL_PORT", Effect::harmless}, {"VLLM_NIXL_ABORT_REQUEST_TIMEOUT", Effect::harmless}, {"VLLM_NO_USAGE_STATS", Effect::harmless}, {"VLLM_PLUGINS", Effect::harmless},
    {"VLLM_PORT", Effect::harmless}, {"VLLM_PP_LAYER_PARTITION", Effect::warn, "layers spread unevenly over pipeline stages"}, {"VLLM_RAY_DP_PACK_STRATEGY", Effect::harmless}, {"VLLM_RAY_PER_WORKER_GPUS", Effect::harmless}, {"VLLM_RAY_BUNDLE_INDICES", Effect::harmless},
    {"VLLM_RINGBUFFER_WARNING_INTERVAL", Effect::harmless}, {"VLLM_RPC_BASE_PATH", Effect::harmless}, {"VLLM_RPC_TIMEOUT", Effect::harmless}, {"VLLM_SKIP_P2P_CHECK", Effect::harmless},
    {"VLLM_SLEEP_WHEN_IDLE", Effect::harmless}, {"VLLM_SPINLOOP_TIMEOUT", Effect::harmless}, {"VLLM_TORCH_PROFILER_DIR", Effect::harmless}, {"VLLM_TRACE_FUNCTION", Effect::warn, "a trace of every call, which slows the server"}, {"VLLM_USAGE_SOURCE", Effect::harmless},
    {"VLLM_USAGE_STATS_SERVER", Effect::harmless}, {"VLLM_USE_PRECOMPILED", Effect::harmless}, {"VLLM_V0_USE_OUTLINES_CACHE", Effect::harmless}, {"VLLM_V1_OUTPUT_PROC_CHUNK_SIZE", Effect::harmless}, {"VLLM_V1_USE_OUTLINES_CACHE", Effect::harmless},
    {"VLLM_VIDEO_FETCH_TIMEOUT", Effect::harmless}, {"VLLM_VIDEO_LOADER_BACKEND", Effect::harmless}, {"VLLM_WORKER_MULTIPROC_METHOD", Effect::harmless}, {"VLLM_XGRAMMAR_CACHE_MB", Effect::harmless}, {"VLLM_GC_DEBUG", Effect::harmless},
    {"VLLM_RANDOMIZE_DP_DUMMY_INPUTS", Effect::harmless}, {"VLLM_MOE_DP_CHUNK_SIZE", Effect::warn, "how many tokens data parallel ranks exchange at once"}, {"VLLM_ADDITIONAL_ARGS", Effect::harmless}, {"VLLM_IMAGE", Effect::harmless}, {"VLLM_MODEL", Effect::harmless},
    {"VLLM_TOOL_PARSE_REGEX_TIMEOUT_SECONDS", Effect::harmless}, {"VLLM_OBJECT_STORAGE_SHM_BUFFER_NAME", Effect::harmless}, {"VLLM_LOOPBACK_IP", Effect::harmless}, {"VLLM_PROCESS_NAME_PREFIX", Effect::harmless}, {"VLLM_SERVER_PORT", Effect::harmless},
};

const Variable* find_variable(const std::string& name) {
    for (const Variable& v : variables)
        if (name == v.name) return &v;
    return nullptr;
}

bool is_off(const std::string& value) { return value.empty() || value == "0" || value == "false" || value == "False"; }

}  // namespace

void read_vllm_environment(const Environment& environment, ModelServer& server, Findings& findings) {
    const auto problem = [&](const std::string& message) { return Problem{server.where, server.path, message}; };
    for (const auto& [name, value] : environment) {
        if (name.starts_with("LMCACHE_") && name != "LMCACHE_USE_EXPERIMENTAL") {
            const bool tier = name == "LMCACHE_LOCAL_CPU" || name == "LMCACHE_REMOTE_URL" || name == "LMCACHE_LOCAL_DISK" || name == "LMCACHE_MAX_LOCAL_CPU_SIZE";
            if (tier && !is_off(value)) findings.warnings.push_back(problem(name + ": KV blocks in other tiers are not simulated: every prompt is computed where it arrives"));
            continue;
        }
        if (!name.starts_with("VLLM_")) continue;
        const Variable* variable = find_variable(name);
        if (!variable) {
            const bool kernel = name.starts_with("VLLM_ROCM_") || name.starts_with("VLLM_USE_FLASHINFER_") || name.starts_with("VLLM_USE_TRITON_") || name.starts_with("VLLM_USE_DEEP_");
            if (kernel) {
                findings.warnings.push_back(problem(name + " chooses kernels: step times are those of the default ones"));
                continue;
            }
            std::vector<std::string> names;
            for (const Variable& v : variables) names.emplace_back(v.name);
            findings.warnings.push_back(problem(name + " is no variable of vLLM that is known, and has no effect here" + did_you_mean(name, names)));
            continue;
        }
        switch (variable->effect) {
            case Effect::used: break;
            case Effect::harmless: findings.notes.push_back(problem(name + " does not change the result")); break;
            case Effect::kernels: findings.warnings.push_back(problem(name + " chooses kernels: step times are those of the default ones")); break;
            case Effect::warn:
                if (!(is_off(value) && !name.starts_with("VLLM_ENABLE_V1"))) findings.warnings.push_back(problem(name + " is not simulated: " + variable->why));
                break;
            case Effect::refuse:
                if (!is_off(value) && !(name == "VLLM_DP_SIZE" && value == "1")) findings.errors.push_back(problem(name + " would change the result and is not simulated: " + variable->why));
                break;
        }
    }
    if (const auto v1 = environment.find("VLLM_USE_V1"); v1 != environment.end()) {
        if (v1->second == "0" || v1->second == "1") server.engine_generation = v1->second == "0" ? "v0" : "v1";
        else if (!v1->second.empty() && v1->second.find("$(") == std::string::npos) findings.errors.push_back(problem("VLLM_USE_V1 found \"" + v1->second + "\", allowed: 0 or 1"));
    }
    if (const auto device = environment.find("VLLM_TARGET_DEVICE"); device != environment.end() && device->second != "cuda" && device->second != "rocm" && !device->second.empty())
        findings.errors.push_back(problem("VLLM_TARGET_DEVICE would change the result and is not simulated: found " + device->second + ", allowed: cuda, rocm"));
}

}  // namespace windtunnel
