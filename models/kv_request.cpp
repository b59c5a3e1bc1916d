#include "models/kv_request.hpp"

#include <fmt/core.h>

#include <charconv>
#include <utility>

namespace windtunnel {
namespace {

void refuse_unless(Problems& problems, bool condition, const char* path, std::string message) {
    if (!condition) problems.push_back({{}, path, std::move(message)});
}

template <class Number>
void require_between(Problems& problems, const std::optional<Number>& value, Number least, Number most,
                     const char* path) {
    if (value && !(*value >= least && *value <= most))
        problems.push_back({{}, path, fmt::format("found {}, allowed: {} to {}", *value, least, most)});
}

/// Everything about a request that needs no arithmetic: names, ranges, divisibility.
class RequestReader {
public:
    explicit RequestReader(const KvRequest& request) : m_request(request) {}

    /// Fills `out`; returns what is wrong.
    Problems read(KvCapacity& out) {
        read_names(out);
        if (!m_problems.empty()) return std::move(m_problems);
        read_types(out);
        read_limits(out);
        read_parallelism(out);
        return std::move(m_problems);
    }

private:
    template <class T>
    bool take(Result<T>&& result, T& into) {
        if (!result) {
            for (Problem& p : result.take_problems()) m_problems.push_back(std::move(p));
            return false;
        }
        into = std::move(*result);
        return true;
    }

    void read_names(KvCapacity& out) {
        ResolvedLlm llm;
        if (take(get_llm(m_request.model), llm)) {
            if (!llm.note.empty()) out.notes.push_back(llm.note);
            out.shape = std::move(llm.shape);
        }
        ResolvedGpu gpu;
        if (take(get_gpu(m_request.gpu), gpu)) {
            if (!gpu.note.empty()) out.notes.push_back(gpu.note);
            out.gpu = std::move(gpu.gpu);
            if (m_request.gpu_memory_bytes) out.gpu.memory_bytes = *m_request.gpu_memory_bytes;
        }
        std::optional<EngineVersion> version;
        EngineVersion read;
        if (!m_request.vllm_version.empty() && take(read_engine_version(m_request.vllm_version), read))
            version = read;
        std::optional<EngineGeneration> generation;
        if (m_request.engine == "v0")
            generation = EngineGeneration::v0;
        else if (m_request.engine == "v1")
            generation = EngineGeneration::v1;
        else
            refuse_unless(m_problems, m_request.engine.empty(), "engine",
                          fmt::format("found '{}', allowed: v0 or v1", m_request.engine));
        if (!m_problems.empty()) return;
        if (take(engine_profile(version, generation), out.profile) && !version)
            out.notes.push_back(
                fmt::format("no version given: vLLM {} is modelled", to_string(out.profile.version)));
        if (out.profile.version > newest_engine)
            out.notes.push_back(fmt::format("vLLM {} is newer than what is modelled: taken as {}",
                                            to_string(out.profile.version), to_string(newest_engine)));
        refuse_unless(
            m_problems, !out.shape.encoder_only, "model",
            fmt::format("found {}, an encoder without a KV cache, allowed: a decoder", out.shape.id));
    }

    void read_types(KvCapacity& out) {
        out.weights_type = out.shape.stored_type;
        if (out.weights_type == NumberType::fp32)
            out.weights_type = NumberType::fp16;  // vLLM's auto never keeps fp32
        if (m_request.dtype != "auto") {
            const auto type = find_number_type(m_request.dtype);
            refuse_unless(m_problems, type.has_value(), "dtype",
                          fmt::format("found '{}', allowed: auto, bf16, fp16, fp8, mxfp4, nvfp4 or int4",
                                      m_request.dtype));
            if (type) out.weights_type = *type;
        }
        const int capability = out.gpu.compute_capability();
        if (out.weights_type == NumberType::bf16 && capability > 0 && capability < 80) {
            refuse_unless(
                m_problems, m_request.dtype == "auto", "dtype",
                fmt::format("found bf16 on {}, which has no bf16 arithmetic, allowed: fp16", out.gpu.name));
            out.weights_type = NumberType::fp16;
            out.notes.push_back(
                fmt::format("{} has no bf16 arithmetic: weights and KV cache in fp16", out.gpu.name));
        }
        out.kv_type = out.weights_type == NumberType::fp16 ? NumberType::fp16 : NumberType::bf16;
        if (m_request.kv_cache_dtype != "auto") {
            const auto type = find_number_type(m_request.kv_cache_dtype);
            const bool allowed =
                type && (*type == NumberType::bf16 || *type == NumberType::fp16 || *type == NumberType::fp8);
            refuse_unless(
                m_problems, allowed, "kv-cache-dtype",
                fmt::format("found '{}', allowed: auto, bf16, fp16 or fp8", m_request.kv_cache_dtype));
            if (allowed) out.kv_type = *type;
        } else if (out.shape.indexer && out.profile.version >= EngineVersion{11, 0}) {
            out.kv_type = NumberType::fp8;
            out.notes.push_back("KV cache in fp8: sparse attention's own format, unless bf16 is asked for");
        } else if (declares_fp8_cache(out)) {
            out.kv_type = NumberType::fp8;
            out.notes.push_back("KV cache in fp8, as ModelOpt checkpoints declare it");
        }
    }

    void read_limits(KvCapacity& out) {
        const KvRequest& r = m_request;
        require_between(m_problems, r.max_model_len, 1, 100'000'000, "max-model-len");
        require_between(m_problems, r.max_num_seqs, 1, 1'000'000, "max-num-seqs");
        require_between(m_problems, r.max_num_batched_tokens, 1, 4'000'000, "max-num-batched-tokens");
        require_between(m_problems, r.max_cudagraph_capture_size, 0, 65'536, "max-cudagraph-capture-size");
        require_between<int>(m_problems, r.lora.slots, 0, 4'096, "max-loras");
        require_between<int>(m_problems, r.lora.rank, 1, 1'024, "max-lora-rank");
        require_between<std::int64_t>(m_problems, r.gpu_memory_bytes, 1, std::int64_t{1} << 50,
                                      "gpu-memory-bytes");
        if (r.kv_cache_gib)
            refuse_unless(m_problems, *r.kv_cache_gib > 0 && *r.kv_cache_gib < 1e6, "kv-cache-gib",
                          fmt::format("found {}, allowed: above 0, below 1000000", *r.kv_cache_gib));
        out.gpu_memory_utilization = r.gpu_memory_utilization.value_or(out.profile.gpu_memory_utilization);
        refuse_unless(m_problems, out.gpu_memory_utilization > 0 && out.gpu_memory_utilization <= 1,
                      "gpu-memory-utilization",
                      fmt::format("found {}, allowed: above 0, at most 1", out.gpu_memory_utilization));
        out.block_size = r.block_size.value_or(default_block_size(out));
        const bool power =
            out.block_size >= 1 && out.block_size <= 1024 && (out.block_size & (out.block_size - 1)) == 0;
        refuse_unless(m_problems, power, "block-size",
                      fmt::format("found {}, allowed: a power of two from 1 to 1024", out.block_size));
        if (r.kv_shape) {
            out.shape.layers = r.kv_shape->layers;
            out.shape.kv_heads = r.kv_shape->kv_heads;
            out.shape.head_dim = r.kv_shape->head_dim;
            out.shape.mla.reset();
            out.shape.indexer.reset();
            out.shape.recurrent.reset();
            out.shape.kv_layers = out.shape.mlp_layers = 0;
            out.shape.moe.reset();
            out.shape.sliding_window.reset();
            out.shape.chunked_attention.reset();
        } else if (r.max_model_len) {
            refuse_unless(m_problems, *r.max_model_len <= out.shape.max_positions, "max-model-len",
                          fmt::format("found {}, allowed: at most {}, the longest context of {}",
                                      *r.max_model_len, out.shape.max_positions, out.shape.id));
        }
        if (!m_problems.empty()) return;
        out.max_model_len = r.max_model_len.value_or(out.shape.max_positions);
        out.limits = default_batch_limits(out.profile, out.gpu, out.max_model_len, r.max_num_seqs,
                                          r.max_num_batched_tokens);
        refuse_unless(m_problems, out.limits.max_num_batched_tokens >= out.limits.max_num_seqs,
                      "max-num-batched-tokens",
                      fmt::format("found {}, allowed: at least max-num-seqs ({})",
                                  out.limits.max_num_batched_tokens, out.limits.max_num_seqs));
    }

    void read_parallelism(KvCapacity& out) {
        const int tp = out.tensor_parallel = m_request.tensor_parallel;
        const int pp = out.pipeline_parallel = m_request.pipeline_parallel;
        const LlmShape& s = out.shape;
        refuse_unless(m_problems, tp >= 1, "tp", fmt::format("found {}, allowed: at least 1", tp));
        refuse_unless(m_problems, pp >= 1 && pp <= s.layers, "pp",
                      fmt::format("found {}, allowed: 1 to {} (the model's layers)", pp, s.layers));
        if (tp < 1) return;
        if (!m_request.kv_shape)
            refuse_unless(m_problems, s.attention_heads % tp == 0, "tp",
                          fmt::format("found {}, allowed: a divisor of {}'s {} attention heads", tp, s.id,
                                      s.attention_heads));
        read_experts(out);
        if (!s.mla)
            refuse_unless(
                m_problems, tp >= s.kv_heads ? tp % s.kv_heads == 0 : s.kv_heads % tp == 0, "tp",
                fmt::format("found {}, allowed: a divisor or a multiple of the {} KV heads", tp, s.kv_heads));
    }

    void read_experts(KvCapacity& out) {
        const int tp = out.tensor_parallel, dp = m_request.data_parallel;
        int ep = m_request.expert_parallel;
        refuse_unless(m_problems, dp >= 1 && dp <= 1024, "dp", fmt::format("found {}, allowed: 1 to 1024", dp));
        if (dp < 1 || dp > 1024) return;
        if (ep == 0) {
            // Its experts are tensor parallel over the ranks of all engines (vLLM's documentation of data parallel
            // deployment, 2025-07).
            if (out.shape.moe) out.expert_groups = dp;
            ep = 1;
        }
        refuse_unless(m_problems, ep == 1 || ep == tp || ep == tp * dp, "ep",
                      fmt::format("found {} with tp {} and dp {}, allowed: 1, tp, or tp * dp (vLLM spreads experts over "
                                  "all ranks of an engine group)",
                                  ep, tp, dp));
        refuse_unless(m_problems, ep == 1 || out.shape.moe.has_value(), "ep",
                      fmt::format("found {}, but {} has no experts, allowed: 1", ep, out.shape.id));
        if (ep > tp && dp > 1) {
            refuse_unless(m_problems, out.shape.moe && out.shape.moe->experts % ep == 0, "ep",
                          fmt::format("found {}, allowed: a divisor of the model's experts", ep));
            out.expert_groups = dp;
        }
    }

    /// NVIDIA's quantised checkpoints say that their cache is fp8, and vLLM listens from 0.13 on (2025-12).
    [[nodiscard]] bool declares_fp8_cache(const KvCapacity& c) const {
        if (c.shape.declares_fp8_cache && c.profile.version.minor >= 13) return true;
        const bool narrow =
            c.shape.stored_type == NumberType::fp8 || c.shape.stored_type == NumberType::nvfp4;
        return narrow && m_request.model.starts_with("nvidia/") && c.profile.version.minor >= 13;
    }

    /// 16 on CUDA; the kernels of latent attention want 64 on Hopper and 128 on Blackwell (0.8 on).
    static int default_block_size(const KvCapacity& c) {
        if (!c.shape.mla || c.profile.version.minor < 8 || c.profile.generation == EngineGeneration::v0)
            return 16;
        if (c.shape.indexer) return 64;  // vllm.md 5.3
        const int capability = c.gpu.compute_capability();
        return capability >= 100 && capability < 120 ? 128 : capability == 90 ? 64 : 16;
    }

    const KvRequest& m_request;
    Problems m_problems;
};

}  // namespace

Problems read_kv_request(const KvRequest& request, KvCapacity& out) {
    return RequestReader(request).read(out);
}

Result<KvShape> read_kv_shape(std::string_view text) {
    KvShape shape;
    int* const parts[] = {&shape.layers, &shape.kv_heads, &shape.head_dim};
    const char* at = text.data();
    const char* const end = at + text.size();
    for (int i = 0; i < 3; ++i) {
        const auto [next, error] = std::from_chars(at, end, *parts[i]);
        const bool separated = i < 2 ? next != end && *next == ',' : next == end;
        if (error != std::errc() || *parts[i] < 1 || *parts[i] > 100000 || !separated)
            return Problem{{},
                           "kv-shape",
                           fmt::format("found '{}', allowed: LAYERS,KV_HEADS,HEAD_DIM, as 32,8,128", text)};
        at = i < 2 ? next + 1 : next;
    }
    return shape;
}

}  // namespace windtunnel
