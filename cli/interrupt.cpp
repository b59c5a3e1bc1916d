#include "cli/interrupt.hpp"

#include <csignal>

namespace windtunnel {

namespace {

bool interrupted_flag = false;
volatile std::sig_atomic_t interrupted_by = 0;

extern "C" void note_signal(int number) {
    interrupted_by = number;
    *static_cast<volatile bool*>(&interrupted_flag) = true;
}

void handle(void (*handler)(int), int flags) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
    interrupted_flag = false;
    handle(&note_signal, static_cast<int>(SA_RESETHAND));
}
InterruptGuard::~InterruptGuard() { handle(SIG_DFL, 0); }
const bool* InterruptGuard::flag() const { return &interrupted_flag; }
bool InterruptGuard::raised() const { return *static_cast<const volatile bool*>(&interrupted_flag); }
int InterruptGuard::exit_code() const { return 128 + interrupted_by; }

}  // namespace windtunnel
