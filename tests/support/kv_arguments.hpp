#pragma once
#include "models/kv_request.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace windtunnel::lab {

/// The arguments of `windtunnel kv` as the cases write them.
inline KvRequest kv_request_of(const std::vector<std::string>& args) {
    KvRequest r;
    const auto whole = [](const std::string& text) { return std::stoi(text); };
    for (std::size_t i = 0; i + 1 < args.size(); i += 2) {
        const std::string &flag = args[i], &value = args[i + 1];
        if (flag == "--model")
            r.model = value;
        else if (flag == "--gpu")
            r.gpu = value;
        else if (flag == "--tp")
            r.tensor_parallel = whole(value);
        else if (flag == "--pp")
            r.pipeline_parallel = whole(value);
        else if (flag == "--dtype")
            r.dtype = value;
        else if (flag == "--kv-cache-dtype")
            r.kv_cache_dtype = value;
        else if (flag == "--engine")
            r.engine = value;
        else if (flag == "--vllm-version")
            r.vllm_version = value;
        else if (flag == "--gpu-memory-utilization")
            r.gpu_memory_utilization = std::stod(value);
        else if (flag == "--max-model-len")
            r.max_model_len = whole(value);
        else if (flag == "--max-num-seqs")
            r.max_num_seqs = whole(value);
        else if (flag == "--max-num-batched-tokens")
            r.max_num_batched_tokens = whole(value);
        else if (flag == "--block-size")
            r.block_size = whole(value);
        else if (flag == "--gpu-memory-bytes")
            r.gpu_memory_bytes = std::stoll(value);
        else if (flag == "--kv-cache-gib")
            r.kv_cache_gib = std::stod(value);
        else if (flag == "--kv-shape")
            r.kv_shape = *read_kv_shape(value);
        else
            throw std::runtime_error("a case has the unknown argument " + flag);
    }
    return r;
}

}  // namespace windtunnel::lab
