#pragma once
#include "models/time.hpp"
#include "policies/replica_set.hpp"

#include <cstdint>

/// How controllers create pods: in slow-start batches, at most 500 in one sync, and again after a refusal
/// when the work queue's limiter lets them (kubernetes.md 3.1.2, v1.31.13).
namespace windtunnel {

/// Most creations, and most deletions, of one sync.
inline constexpr std::int32_t replica_set_burst = 500;

struct CreationResult {
    std::int32_t created = 0;
    std::int32_t refused = 0;  ///< of the batch that ended the sync; later batches were not tried
};

/// Creates up to `count` pods (cut to `replica_set_burst`) in batches of 1, 2, 4, ... `create()` says whether
/// one creation was accepted. The creations of one batch run in parallel, so all of them are tried even when
/// one fails; a failure ends the sync after its batch.
template <class Create>
WT_HD CreationResult create_in_batches(std::int32_t count, Create create) {
    CreationResult result;
    std::int32_t left = count < replica_set_burst ? count : replica_set_burst;
    for (std::int32_t index = 0; left > 0 && result.refused == 0; ++index) {
        const std::int32_t wanted = creation_batch(index);
        const std::int32_t batch = wanted < left ? wanted : left;
        for (std::int32_t i = 0; i < batch; ++i) {
            if (create())
                ++result.created;
            else
                ++result.refused;
        }
        left -= batch;
    }
    return result;
}

/// The work queue's overall limiter: a bucket of 100 that fills at 10 a second, shared by all keys of one
/// controller. Kept as the time at which the bucket was, or will be, worth one token again.
struct RetryBucket {
    Tick at{INT64_MIN / 2};
};

inline constexpr Tick retry_bucket_interval = milliseconds(100);
inline constexpr std::int32_t retry_bucket_burst = 100;

/// When the key whose sync failed for the k-th time in a row (k >= 1) is looked at again: the later of its
/// own delay and the bucket's.
WT_HD constexpr Tick retry_at(RetryBucket& bucket, std::int32_t failures, Tick now) {
    const Tick full = now - retry_bucket_burst * retry_bucket_interval;
    bucket.at = (bucket.at < full ? full : bucket.at) + retry_bucket_interval;
    const Tick own = now + creation_retry_delay(failures);
    return bucket.at > own ? bucket.at : own;
}

}  // namespace windtunnel
