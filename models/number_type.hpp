#pragma once
#include <optional>
#include <string_view>

namespace windtunnel {

/// How numbers are stored: weights, or the KV cache (fp16, bf16 and fp8 only).
enum class NumberType { fp32, bf16, fp16, fp8, int8, int4, mxfp4, nvfp4 };

/// Bytes that one weight of a quantised linear layer takes, scales and zero points included.
/// int4: AWQ/GPTQ with groups of 128 is 0.53 bytes in vLLM start-up logs (2026-06); mxfp4: 4 bits and one
/// byte per 32 values (OCP MX specification, 2023); nvfp4: 4 bits and one byte per 16 values (NVIDIA, 2025).
[[nodiscard]] constexpr double bytes_per_weight(NumberType type) {
    switch (type) {
        case NumberType::fp32:
            return 4.0;
        case NumberType::bf16:
        case NumberType::fp16:
            return 2.0;
        case NumberType::fp8:
        case NumberType::int8:
            return 1.0;
        case NumberType::int4:
            return 0.53;
        case NumberType::mxfp4:
            return 0.53125;
        case NumberType::nvfp4:
            return 0.5625;
    }
    return 2.0;
}

/// Whether a checkpoint of this type keeps embeddings, head and norms in 16 bits beside quantised layers.
[[nodiscard]] constexpr bool is_quantised(NumberType type) {
    return type != NumberType::fp32 && type != NumberType::bf16 && type != NumberType::fp16;
}

[[nodiscard]] constexpr std::string_view to_string(NumberType type) {
    switch (type) {
        case NumberType::fp32:
            return "fp32";
        case NumberType::bf16:
            return "bf16";
        case NumberType::fp16:
            return "fp16";
        case NumberType::fp8:
            return "fp8";
        case NumberType::int8:
            return "int8";
        case NumberType::int4:
            return "int4";
        case NumberType::mxfp4:
            return "mxfp4";
        case NumberType::nvfp4:
            return "nvfp4";
    }
    return "?";
}

/// The type of that name, or of the name that vLLM's --dtype and --kv-cache-dtype use for it; nullopt when
/// there is none.
[[nodiscard]] constexpr std::optional<NumberType> find_number_type(std::string_view name) {
    if (name == "fp32" || name == "float32" || name == "float") return NumberType::fp32;
    if (name == "bf16" || name == "bfloat16") return NumberType::bf16;
    if (name == "fp16" || name == "float16" || name == "half") return NumberType::fp16;
    if (name == "fp8" || name == "fp8_e4m3" || name == "fp8_e5m2") return NumberType::fp8;
    if (name == "int8") return NumberType::int8;
    if (name == "int4") return NumberType::int4;
    if (name == "mxfp4") return NumberType::mxfp4;
    if (name == "nvfp4" || name == "fp4") return NumberType::nvfp4;
    return std::nullopt;
}

}  // namespace windtunnel
