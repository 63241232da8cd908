//go:build !linux

package kubetest

import "os/exec"

// dieWithParent does nothing: only Linux can be asked for it. An interrupt still
// ends the programs, a kill -9 of the tests leaves them.
func dieWithParent(*exec.Cmd) {}
