#pragma once
#include "gpu/device_memory.hpp"

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define WINDTUNNEL_HAS_CUBLAS
#endif

#include <cstdint>
#include <stdexcept>
#include <string>

/// For nvcc's side only.
namespace windtunnel {

#if defined(WINDTUNNEL_HAS_CUBLAS)
inline void check(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw std::runtime_error(std::string(what) + ": " + cublasLtGetStatusString(status));
}

/// A product of activations [tokens][inputs] with weights [outputs][inputs], as checkpoints have them, by
/// cuBLASLt's first heuristic: in bf16, or with both in e4m3 (from sm_89 on); sums in fp32, the result in
/// bf16. Seen as column-major C^T = B^T A^T.
class DeviceProduct {
public:
    static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

    DeviceProduct(std::int64_t tokens, std::int64_t outputs, std::int64_t inputs, int element_bytes = 2) {
        check(cublasLtCreate(&m_library), "starting cuBLASLt");
        check(cublasLtMatmulDescCreate(&m_what, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
        const cublasOperation_t turned = CUBLAS_OP_T;
        check(cublasLtMatmulDescSetAttribute(m_what, CUBLASLT_MATMUL_DESC_TRANSA, &turned, sizeof turned),
              "describing a product");
        const cudaDataType_t type = element_bytes == 1 ? CUDA_R_8F_E4M3 : CUDA_R_16BF;
        const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
        check(cublasLtMatrixLayoutCreate(&m_weights, type, u(inputs), u(outputs), inputs),
              "describing a matrix");
        check(cublasLtMatrixLayoutCreate(&m_in, type, u(inputs), u(tokens), inputs), "describing a matrix");
        check(cublasLtMatrixLayoutCreate(&m_out, CUDA_R_16BF, u(outputs), u(tokens), outputs),
              "describing a matrix");
        cublasLtMatmulPreference_t wishes = nullptr;
        check(cublasLtMatmulPreferenceCreate(&wishes), "choosing an algorithm");
        const std::size_t room = workspace_bytes;
        check(cublasLtMatmulPreferenceSetAttribute(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                                   sizeof room),
              "choosing an algorithm");
        int found = 0;
        const cublasStatus_t answer = cublasLtMatmulAlgoGetHeuristic(m_library, m_what, m_weights, m_in,
                                                                     m_out, m_out, wishes, 1, &m_how, &found);
        cublasLtMatmulPreferenceDestroy(wishes);
        if (answer != CUBLAS_STATUS_SUCCESS || found == 0)
            throw std::runtime_error("cuBLASLt knows no algorithm for a product");
    }
    ~DeviceProduct() {
        cublasLtMatrixLayoutDestroy(m_out);
        cublasLtMatrixLayoutDestroy(m_in);
        cublasLtMatrixLayoutDestroy(m_weights);
        cublasLtMatmulDescDestroy(m_what);
        cublasLtDestroy(m_library);
    }
    DeviceProduct(const DeviceProduct&) = delete;
    DeviceProduct& operator=(const DeviceProduct&) = delete;
    void run(const void* weights, const void* in, void* out, void* workspace, cudaStream_t stream) const {
        const float one = 1, zero = 0;
        check(cublasLtMatmul(m_library, m_what, &one, weights, m_weights, in, m_in, &zero, out, m_out, out,
                             m_out, &m_how.algo, workspace, workspace_bytes, stream),
              "multiplying");
    }

private:
    cublasLtHandle_t m_library = nullptr;
    cublasLtMatmulDesc_t m_what = nullptr;
    cublasLtMatrixLayout_t m_weights = nullptr, m_in = nullptr, m_out = nullptr;
    cublasLtMatmulHeuristicResult_t m_how{};
};
#else
/// Without cuBLAS's header there are no products.
class DeviceProduct {
public:
    static constexpr std::size_t workspace_bytes = 16;
    DeviceProduct(std::int64_t, std::int64_t, std::int64_t, int = 2) {
        throw std::runtime_error("this program was built without cuBLAS");
    }
    void run(const void*, const void*, void*, void*, cudaStream_t) const {}
};
#endif

}  // namespace windtunnel
