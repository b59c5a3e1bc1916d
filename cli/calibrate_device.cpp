#include "cli/calibrate_device.hpp"

#include "cli/command_line.hpp"
#include "cli/console.hpp"
#include "cli/engine_flags.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "gpu/batch_replay.hpp"
#include "models/bytes.hpp"
#include "reports/atomic_file.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <ctime>

namespace windtunnel {

namespace {

std::string today() {
    const std::time_t now = std::time(nullptr);
    char text[16] = {};
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
    return text;
}

/// The model and GPU that are calibrated, with what the flags leave open filled in.
Result<KvRequest> request_of(const DeviceCalibration& what, const DeviceIdentity& device) {
    KvRequest request = what.request;
    if (request.model.empty()) request.model = "meta-llama/Llama-3.1-8B-Instruct";
    if (request.gpu.empty()) {
        request.gpu = device.name;
        std::replace(request.gpu.begin(), request.gpu.end(), ' ', '-');
    }
    if (const Result<ResolvedGpu> gpu = get_gpu(request.gpu); !gpu) return gpu.problems();
    return request;
}

/// What the profile is put beside: --compare's coefficients, else the shipped ones.
Result<StepTimeCoefficients> beside(const DeviceCalibration& what, const Gpu& gpu) {
    if (what.compare.empty()) return step_time_coefficients(gpu);
    const Result<StepProfile> profile = read_step_profile_file(what.compare);
    if (!profile) return profile.problems();
    return coefficients_of(*profile, gpu, what.compare);
}

StepProfile profile_of(const DeviceFit& fit, const CalibrationResult& found, const KvCapacity& capacity,
                       const DeviceIdentity& device) {
    StepProfile p;
    p.gpu = capacity.gpu.name, p.device = device.name, p.driver = device.driver, p.date = today();
    p.source = fmt::format(
        "calibrated on {} ({}), {}, with the shapes of {}: weights, products, {} attention and layers "
        "measured, the rest as shipped",
        device.name, device.driver, p.date, capacity.shape.id,
        prefills_like_the_engine(capacity.gpu) ? "decode and prefill" : "decode");
    StepTimeCoefficients k = coefficients_of(fit, capacity.gpu);
    k.source = p.source;
    p.coefficients = step_time_coefficients_json(k);
    p.residuals = device_fit_residuals(fit, found.times, capacity);
    return p;
}

void say_what_is_missing(const CalibrationResult& found, const DeviceCalibration& what) {
    for (const std::string& f : found.failed) print_line("note: not measured: " + f);
    if (found.left_out.empty()) return;
    print_line(fmt::format(
        "note: {} points were left out, {:.0f} s are over{}", found.left_out.size(), what.limit_s,
        what.measurements.empty() ? "; with --measurements FILE a second call goes on from the first"
                                  : "; the same command goes on from " + what.measurements));
}

}  // namespace

int calibrate_with(const DeviceCalibration& what, const DeviceIdentity& device, const TimePoint& measure,
                   const std::function<double()>& elapsed) {
    const Result<KvRequest> request = request_of(what, device);
    if (!request) return refuse_flags(request.problems());
    const Result<KvCapacity> capacity = kv_capacity(*request);
    if (!capacity) return refuse_flags(capacity.problems());
    if (capacity->shape.moe || capacity->shape.mla)
        return refuse_flags(
            {{{},
              "--model",
              fmt::format("found {}, allowed: a dense model with keys and values per head, whose kernels are "
                          "measured; the profile then serves other models too",
                          capacity->shape.id)}});
    const Result<StepTimeCoefficients> other = beside(what, capacity->gpu);
    if (!other) return refuse_flags(other.problems());
    if (!what.out.empty())
        if (Problems problems = problems_of_writing(what.out); !problems.empty())
            return refuse_flags(std::move(problems));
    MeasurementFile file;
    if (Problems problems = file.open(what.measurements, device.name, capacity->shape.id); !problems.empty())
        return refuse_flags(std::move(problems));

    const std::vector<CalibrationPoint> points = calibration_points(*request, *capacity, device.free_bytes);
    CalibrationResult found;
    const InterruptGuard guard;
    {
        Progress progress("measurements", points.size(), what.quiet);
        found = run_calibration(points, capacity->gpu, measure, file,
                                {what.limit_s, elapsed, [&] { return guard.raised(); },
                                 [&](std::size_t n) { progress.update(n); }});
        progress.clear();
    }
    if (!found.problems.empty()) return refuse_flags(found.problems);
    if (found.interrupted) {
        print_line(fmt::format(
            "interrupted: {} of {} points are measured{}", found.measured + found.known, points.size(),
            what.measurements.empty() ? "; with --measurements FILE they would have been kept"
                                      : ", " + what.measurements + " keeps them: the same command goes on"));
        return guard.exit_code();
    }
    if (!what.quiet) say_what_is_missing(found, what);
    if (found.measured + found.known == 0) {
        print_error("nothing could be measured");
        return run_broke;
    }
    const DeviceFit fit = fit_to_device(found.times, *capacity);
    const StepProfile profile = profile_of(fit, found, *capacity, device);
    if (!what.out.empty())
        if (Problems failed = write_file(what.out, step_profile_json(profile)); !failed.empty())
            return refuse_flags(std::move(failed));
    if (what.json) return print_data(step_profile_json(profile)) ? answered : run_broke;
    const std::string table =
        fmt::format("{}, {}, {:.1f} GiB (free {:.1f}): {}; {} points measured, {} known from before\n\n",
                    device.name, device.driver, static_cast<double>(device.memory_bytes) / gib,
                    static_cast<double>(device.free_bytes) / gib, capacity->gpu.name, found.measured,
                    found.known) +
        device_fit_table(fit, found.times, *capacity, what.compare.empty() ? "shipped" : "compared", *other);
    return print_data(table) ? answered : run_broke;
}

int calibrate_device(const DeviceCalibration& what) {
    constexpr const char* otherwise =
        "without a GPU it fits results of your own: windtunnel calibrate --from vllm-bench.json ... --gpu "
        "NAME";
#if defined(WINDTUNNEL_HAS_CUDA)
    if (const DeviceAnswer answer = ask_device(); !answer.answers) {
        print_error("calibrating needs an NVIDIA GPU of sm_80 or later: " + answer.words);
        print_line(otherwise);
        return bad_input;
    }
    const auto start = std::chrono::steady_clock::now();
    return calibrate_with(what, identify_device(), measure_on_device, [start] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    });
#else
    (void)what;
    print_error(
        "calibrating on a GPU needs a program with device code (cmake --preset cuda) and an NVIDIA GPU of "
        "sm_80 or "
        "later: this windtunnel was built without");
    print_line(otherwise);
    return bad_input;
#endif
}

}  // namespace windtunnel
