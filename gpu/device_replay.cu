#include "gpu/device_replay.hpp"

#include "sim/trial_engine.hpp"

#include <cuda_runtime.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <algorithm>
#include <stdexcept>
#include <string>

namespace windtunnel {

namespace {

using Layout = InterleavedLayout;
using DeviceTrial = Trial<Layout, ArenaBank<Layout>, NullObserver>;
constexpr std::uint32_t sketch_count = 4;

void check(cudaError_t status, const char* what) {
    if (status != cudaSuccess)
        throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}

/// The same Trial as on the host; a lane of a warp's arena each. Its buckets are copied out of the arena,
/// because the next wave uses the arena again.
struct RunTrial {
    const Blueprint* blueprint;
    WorkloadView workload;
    std::uint64_t seed;
    std::uint32_t first_trial;
    unsigned char* arenas;
    std::size_t bytes_per_trial;
    Tally* tallies;
    std::uint64_t* buckets;  ///< [trial][sketch][bucket]
    WideSum* node_use;       ///< [trial][cell]
    std::uint32_t cells;     ///< of node_use, per trial
    AlertTally* alerts;      ///< [trial][alert]
    std::uint32_t alert_count;

    __host__ __device__ void operator()(std::uint32_t index) const {
        const std::uint32_t lane = index % Layout::lanes, group = index / Layout::lanes;
        ArenaBank<Layout> bank;
        NullObserver observer;
        DeviceTrial trial(*blueprint, workload, {seed, first_trial + index}, bank, observer);
        Arena<Layout> arena(arenas + std::size_t{group} * bytes_per_trial * Layout::lanes, bytes_per_trial,
                            lane);
        trial.take_memory(arena);
        trial.run(tallies[index]);
        const LatencySketch<Layout>* sketches[sketch_count] = {&trial.sketches().ttft, &trial.sketches().tpot,
                                                               &trial.sketches().itl, &trial.sketches().e2el};
        for (std::uint32_t s = 0; s < sketch_count; ++s)
            for (std::uint32_t i = 0; i < SketchBuckets::count; ++i)
                buckets[(std::size_t{index} * sketch_count + s) * SketchBuckets::count + i] =
                    sketches[s]->bucket(i);
        for (std::uint32_t i = 0; i < cells; ++i)
            node_use[std::size_t{index} * cells + i] = trial.node_use().cells()[i];
        for (std::uint32_t a = 0; a < alert_count; ++a)
            alerts[std::size_t{index} * alert_count + a] = trial.alerts().tallies()[a];
    }
};

/// Trials at a time: what fits into four fifths of the free memory, in whole warps.
std::uint32_t wave_size(std::size_t bytes_per_trial, std::uint32_t cells, std::uint32_t alerts, std::uint32_t trials) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for the device's memory");
    const std::size_t each =
        bytes_per_trial + sizeof(Tally) + cells * sizeof(WideSum) + alerts * sizeof(AlertTally) +
        sketch_count * SketchBuckets::count * sizeof(std::uint64_t);
    const std::size_t fit = free / 5 * 4 / each / Layout::lanes * Layout::lanes;
    if (fit == 0)
        throw std::runtime_error("a trial's arena of " + std::to_string(bytes_per_trial) +
                                 " bytes does not fit the device 32 times");
    const std::size_t wanted = (std::size_t{trials} + Layout::lanes - 1) / Layout::lanes * Layout::lanes;
    return static_cast<std::uint32_t>(std::min(fit, wanted));
}

TrialOutcome read(const Tally& tally, const std::uint64_t* buckets, const WideSum* cells, std::size_t cell_count,
                  const AlertTally* alerts, std::size_t alert_count, std::size_t bytes) {
    const auto part = [&](std::uint32_t s, const LatencyTotals& totals) {
        const std::uint64_t* first = buckets + std::size_t{s} * SketchBuckets::count;
        return Distribution{totals, std::vector<std::uint64_t>(first, first + SketchBuckets::count)};
    };
    return {tally, part(0, tally.ttft), part(1, tally.tpot), part(2, tally.itl), part(3, tally.e2el), bytes,
            std::vector<WideSum>(cells, cells + cell_count), std::vector<AlertTally>(alerts, alerts + alert_count)};
}

}  // namespace

std::size_t device_trial_bytes(const Blueprint& blueprint) {
    ArenaBank<Layout> bank;
    NullObserver observer;
    DeviceTrial trial(blueprint, {}, {}, bank, observer);
    Arena<Layout> dry;
    trial.take_memory(dry);
    return dry.used();
}

std::vector<TrialOutcome> replay_on_device(const Blueprint& blueprint, WorkloadView workload,
                                           std::uint64_t seed, std::uint32_t first_trial,
                                           std::uint32_t trials) {
    const std::size_t bytes = device_trial_bytes(blueprint);
    const std::uint32_t cells = NodeTimeUse<Layout, DeviceTrial>::cell_count(blueprint);
    const auto alert_count = static_cast<std::uint32_t>(blueprint.alerts.size());
    const std::uint32_t wave = wave_size(bytes, cells, alert_count, trials);
    // The blueprint holds no addresses: its bytes are the same blueprint there.
    const auto* raw = reinterpret_cast<const unsigned char*>(&blueprint);
    const thrust::device_vector<unsigned char> device_blueprint(raw, raw + blueprint.bytes);
    const thrust::device_vector<Request> requests(workload.requests, workload.requests + workload.count);
    thrust::device_vector<unsigned char> arenas(bytes * wave);
    thrust::device_vector<Tally> tallies(wave);
    thrust::device_vector<std::uint64_t> buckets(std::size_t{wave} * sketch_count * SketchBuckets::count);
    thrust::device_vector<WideSum> node_use(std::size_t{wave} * cells);
    thrust::device_vector<AlertTally> alerts(std::size_t{wave} * alert_count);
    std::vector<WideSum> host_node_use(node_use.size());
    std::vector<AlertTally> host_alerts(alerts.size());
    std::vector<Tally> host_tallies(wave);
    std::vector<std::uint64_t> host_buckets(buckets.size());

    std::vector<TrialOutcome> outcomes;
    outcomes.reserve(trials);
    for (std::uint32_t done = 0; done < trials; done += wave) {
        const std::uint32_t now = std::min(wave, trials - done);
        const RunTrial run{
            reinterpret_cast<const Blueprint*>(thrust::raw_pointer_cast(device_blueprint.data())),
            {thrust::raw_pointer_cast(requests.data()), workload.count, workload.span},
            seed,
            first_trial + done,
            thrust::raw_pointer_cast(arenas.data()),
            bytes,
            thrust::raw_pointer_cast(tallies.data()),
            thrust::raw_pointer_cast(buckets.data()),
            thrust::raw_pointer_cast(node_use.data()),
            cells,
            thrust::raw_pointer_cast(alerts.data()),
            alert_count};
        thrust::for_each(thrust::device, thrust::counting_iterator<std::uint32_t>(0),
                         thrust::counting_iterator<std::uint32_t>(now), run);
        check(cudaDeviceSynchronize(), "running the trials");
        check(cudaMemcpy(host_tallies.data(), thrust::raw_pointer_cast(tallies.data()), now * sizeof(Tally),
                         cudaMemcpyDeviceToHost),
              "reading the tallies");
        check(cudaMemcpy(host_buckets.data(), thrust::raw_pointer_cast(buckets.data()),
                         std::size_t{now} * sketch_count * SketchBuckets::count * sizeof(std::uint64_t),
                         cudaMemcpyDeviceToHost),
              "reading the sketches");
        check(cudaMemcpy(host_node_use.data(), thrust::raw_pointer_cast(node_use.data()),
                         std::size_t{now} * cells * sizeof(WideSum), cudaMemcpyDeviceToHost),
              "reading what node-time was used for");
        check(cudaMemcpy(host_alerts.data(), thrust::raw_pointer_cast(alerts.data()),
                         std::size_t{now} * alert_count * sizeof(AlertTally), cudaMemcpyDeviceToHost),
              "reading the alerts");
        for (std::uint32_t i = 0; i < now; ++i)
            outcomes.push_back(
                read(host_tallies[i],
                     host_buckets.data() + std::size_t{i} * sketch_count * SketchBuckets::count,
                     host_node_use.data() + std::size_t{i} * cells, cells,
                     host_alerts.data() + std::size_t{i} * alert_count, alert_count, bytes));
    }
    return outcomes;
}

}  // namespace windtunnel
