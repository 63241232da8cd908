//go:build !linux

package sim

import "time"

// pause waits for a fraction of a millisecond of real time.
func pause(d time.Duration) { time.Sleep(d) }
