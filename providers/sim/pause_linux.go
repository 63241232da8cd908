package sim

import (
	"syscall"
	"time"
)

// pause waits for a fraction of a millisecond of real time. time.Sleep would take
// a whole one whenever the process has nothing else to do, because the runtime
// then waits in epoll, which counts in milliseconds.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early by a signal is early enough
}
