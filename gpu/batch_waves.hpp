#pragma once
#include "gpu/batch_replay.hpp"
#include "sim/lane_trial.hpp"

#include <thrust/copy.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

/// The waves of a batch on whatever Thrust's device system of the including file is: CUDA for nvcc, TBB for g++.
/// Everything has internal linkage, because the same names mean another device in another file.
namespace windtunnel {
namespace {

using BatchLayout = InterleavedLayout;

/// Where the requests of a trial are.
struct RequestRange {
    std::uint64_t first = 0, count = 0;
    Tick span;
    std::uint64_t first_node = 0, node_count = 0;  ///< of their prefix tree
    std::uint32_t tokens_per_node = 0;
};

/// What a thread of the device does: one trial, in its lane of an arena.
struct RunLane {
    const Blueprint* blueprint;
    const Request* requests;
    const std::uint32_t* nodes;    ///< of prefix trees
    const RequestRange* ranges;    ///< [trial]
    const std::uint32_t* numbers;  ///< [trial]
    std::uint64_t seed;
    unsigned char* arenas;
    LaneSize size;
    Tally* tallies;
    std::uint64_t* buckets;  ///< [trial][sketch][bucket]
    WideSum* node_use;       ///< [trial][cell]
    AlertTally* alerts;      ///< [trial][alert]

    WT_HD void operator()(std::uint32_t i) const {
        const RequestRange& range = ranges[i];
        const std::size_t group = i / BatchLayout::lanes;
        const PrefixView prefixes{nodes + range.first_node, range.node_count, range.tokens_per_node};
        run_lane<BatchLayout>(*blueprint, {requests + range.first, range.count, range.span, prefixes}, {seed, numbers[i]},
                              arenas + group * size.bytes * BatchLayout::lanes, size.bytes, i % BatchLayout::lanes,
                              {tallies + i, buckets + std::size_t{i} * LaneOutcome::sketches * SketchBuckets::count,
                               node_use + std::size_t{i} * size.node_use_cells,
                               alerts + std::size_t{i} * size.alerts});
    }
};

/// A wave's outcomes, copied to the host.
class HostWave : public BatchWave {
public:
    std::vector<Tally> tallies;
    std::vector<std::uint64_t> buckets;
    std::vector<WideSum> node_use;
    std::vector<AlertTally> alerts;
    LaneSize size;

    [[nodiscard]] TrialOutcome outcome(std::size_t i) const override {
        const Tally& tally = tallies[i];
        const auto part = [&](std::size_t s, const LatencyTotals& totals) {
            const auto* from = buckets.data() + (i * LaneOutcome::sketches + s) * SketchBuckets::count;
            return Distribution{totals, std::vector<std::uint64_t>(from, from + SketchBuckets::count)};
        };
        const WideSum* cells = node_use.data() + i * size.node_use_cells;
        const AlertTally* fired = alerts.data() + i * size.alerts;
        return {tally,      part(0, tally.ttft), part(1, tally.tpot),
                part(2, tally.itl), part(3, tally.e2el),  size.bytes,
                std::vector<WideSum>(cells, cells + size.node_use_cells),
                std::vector<AlertTally>(fired, fired + size.alerts)};
    }
};

/// The requests of a wave's trials, those that several share once.
class WaveRequests {
public:
    std::vector<TrialWorkload> owners;  ///< keeps what was uploaded last alive: who has its address has its content
    std::vector<RequestRange> ranges;
    std::uint64_t total = 0, nodes = 0;

    /// Bytes that one more trial takes on the device.
    [[nodiscard]] std::size_t cost(const TrialWorkload& w) const {
        return shared(w) ? 0 : w.view.count * sizeof(Request) + w.view.prefixes.count * sizeof(std::uint32_t);
    }
    void add(TrialWorkload&& w) {
        if (shared(w)) {
            ranges.push_back(ranges.back());
            return;
        }
        const PrefixView& prefixes = w.view.prefixes;
        ranges.push_back({total, w.view.count, w.view.span, nodes, prefixes.count, prefixes.tokens_per_node});
        total += w.view.count;
        nodes += prefixes.count;
        owners.push_back(std::move(w));
    }
    /// The same requests, at the same places.
    [[nodiscard]] bool holds_the_same_as(const WaveRequests& other) const {
        return total == other.total && std::equal(owners.begin(), owners.end(), other.owners.begin(), other.owners.end(),
                                                  [](const TrialWorkload& a, const TrialWorkload& b) {
                                                      return a.view.requests == b.view.requests;
                                                  });
    }

private:
    [[nodiscard]] bool shared(const TrialWorkload& w) const {
        return !owners.empty() && owners.back().view.requests == w.view.requests &&
               owners.back().view.count == w.view.count;
    }
};

template <class T>
T* raw(thrust::device_vector<T>& v) {
    return thrust::raw_pointer_cast(v.data());
}
template <class T>
void copy_back(const thrust::device_vector<T>& from, std::size_t count, std::vector<T>& to) {
    to.resize(count);
    if (count == 0) return;  // there may be no array to copy from
    thrust::copy(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count), to.begin());
}

/// `memory`: bytes that a wave may take.
void run_waves(const BatchPlan& plan, std::size_t memory) {
    constexpr std::size_t lanes = BatchLayout::lanes;
    const LaneSize size = lane_size<BatchLayout>(*plan.blueprint);
    const std::size_t sketch = LaneOutcome::sketches * SketchBuckets::count;
    const std::size_t each = size.bytes + sizeof(Tally) + size.node_use_cells * sizeof(WideSum) +
                             size.alerts * sizeof(AlertTally) +
                             sketch * sizeof(std::uint64_t) + sizeof(RequestRange) + sizeof(std::uint32_t);
    // A wave's outcomes are copied to the host: they shall fit there as well.
    const std::size_t most = (std::size_t{16} << 30) / (sketch * sizeof(std::uint64_t));
    // The blueprint holds no addresses: its bytes are the same blueprint there.
    const auto* bytes = reinterpret_cast<const unsigned char*>(plan.blueprint);
    thrust::device_vector<unsigned char> blueprint(bytes, bytes + plan.blueprint->bytes), arenas;
    thrust::device_vector<Request> requests;
    thrust::device_vector<std::uint32_t> nodes;
    thrust::device_vector<RequestRange> ranges;
    thrust::device_vector<std::uint32_t> numbers;
    thrust::device_vector<Tally> tallies;
    thrust::device_vector<std::uint64_t> buckets;
    thrust::device_vector<WideSum> node_use;
    thrust::device_vector<AlertTally> alerts;
    WaveRequests uploaded;

    TrialWorkload next = plan.trials.empty() ? TrialWorkload{} : plan.workload(plan.trials.front());
    for (std::size_t done = 0; done < plan.trials.size();) {
        if (plan.interrupted != nullptr && *static_cast<const volatile bool*>(plan.interrupted)) return;
        // As many trials as fit, at least one group of lanes.
        WaveRequests wave;
        std::size_t count = 0, taken = 0;
        while (done + count < plan.trials.size()) {
            const std::size_t more = (count % lanes == 0 ? each * lanes : 0) + wave.cost(next);
            if (count >= lanes && (taken + more > memory || count >= most)) break;
            taken += more;
            wave.add(std::move(next));
            ++count;
            if (done + count < plan.trials.size()) next = plan.workload(plan.trials[done + count]);
        }
        if (taken > memory)
            throw std::runtime_error("32 trials, with arenas of " + std::to_string(size.bytes) + " bytes each, take " +
                                     std::to_string(taken) + " bytes of the device; free are " + std::to_string(memory));
        const std::size_t room = (count + lanes - 1) / lanes * lanes;
        if (tallies.size() < room) {
            arenas = {};  // gives back what it has before it takes more
            arenas.resize(room * size.bytes);
            tallies.resize(room);
            buckets.resize(room * sketch);
            node_use.resize(room * size.node_use_cells);
            alerts.resize(room * size.alerts);
        }
        if (done == 0 || !wave.holds_the_same_as(uploaded)) {
            requests.resize(wave.total);
            nodes.resize(wave.nodes);
            auto to = requests.begin();
            auto to_node = nodes.begin();
            for (const TrialWorkload& w : wave.owners) {
                to = thrust::copy(w.view.requests, w.view.requests + w.view.count, to);
                if (w.view.prefixes.count > 0)
                    to_node = thrust::copy(w.view.prefixes.nodes, w.view.prefixes.nodes + w.view.prefixes.count, to_node);
            }
        }
        ranges = wave.ranges;
        numbers.assign(plan.trials.begin() + static_cast<std::ptrdiff_t>(done),
                       plan.trials.begin() + static_cast<std::ptrdiff_t>(done + count));
        const RunLane run{reinterpret_cast<const Blueprint*>(raw(blueprint)), raw(requests), raw(nodes), raw(ranges), raw(numbers),
                          plan.seed, raw(arenas), size, raw(tallies), raw(buckets), raw(node_use), raw(alerts)};
        thrust::for_each(thrust::device, thrust::counting_iterator<std::uint32_t>(0),
                         thrust::counting_iterator<std::uint32_t>(static_cast<std::uint32_t>(count)), run);
        HostWave host;
        host.first = done;
        host.count = count;
        host.size = size;
        copy_back(tallies, count, host.tallies);
        copy_back(buckets, count * sketch, host.buckets);
        copy_back(node_use, count * size.node_use_cells, host.node_use);
        copy_back(alerts, count * size.alerts, host.alerts);
        plan.wave_done(host);
        uploaded = std::move(wave);
        done += count;
    }
}

}  // namespace
}  // namespace windtunnel
