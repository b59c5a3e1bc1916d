#include "cli/interrupt.hpp"

#include <csignal>
#include <ctime>

namespace windtunnel {

namespace {

bool interrupted_flag = false;
volatile std::sig_atomic_t interrupted_by = 0;
timespec interrupted_at{};

// One stop may be sent twice: a supervisor such as timeout(1) signals the program and then its process group.
constexpr double same_signal_s = 0.5;

void handle(void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    sigaddset(&action.sa_mask, SIGINT);  // neither comes while the other is noted
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

// Calls only what signal-safety(7) allows.
extern "C" void note_signal(int number) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (*static_cast<volatile bool*>(&interrupted_flag)) {
        const double since_s = static_cast<double>(now.tv_sec - interrupted_at.tv_sec) +
                               static_cast<double>(now.tv_nsec - interrupted_at.tv_nsec) * 1e-9;
        if (since_s < same_signal_s) return;
        handle(SIG_DFL);
        raise(number);
        return;
    }
    interrupted_by = number;
    interrupted_at = now;
    *static_cast<volatile bool*>(&interrupted_flag) = true;
}

}  // namespace

InterruptGuard::InterruptGuard() {
    interrupted_flag = false;
    handle(&note_signal);
}
InterruptGuard::~InterruptGuard() { handle(SIG_DFL); }
const bool* InterruptGuard::flag() const { return &interrupted_flag; }
bool InterruptGuard::raised() const { return *static_cast<const volatile bool*>(&interrupted_flag); }
int InterruptGuard::exit_code() const { return 128 + interrupted_by; }

}  // namespace windtunnel
