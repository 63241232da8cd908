package drs

import (
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.drs in the settings; all of it may be left out.
var Platform = runbook.Part{Key: "drs", Example: Settings{LagSeconds: 60, ProbePort: 8080, ProbePath: "/health/data"}}

// Settings say what servers that Elastic Disaster Recovery protects are held to.
type Settings struct {
	// LagSeconds is how far replication may be behind before the servers are stopped for
	// users; 0 means 60.
	LagSeconds int `yaml:"server_lag_seconds,omitempty" json:"server_lag_seconds,omitempty"`
	// ProbePort and ProbePath are where each server answers 200 by HTTP once it works and
	// finds its data whole; a port of 0: there is no such page.
	ProbePort int    `yaml:"server_probe_port,omitempty" json:"server_probe_port,omitempty"`
	ProbePath string `yaml:"server_probe_path,omitempty" json:"server_probe_path,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	if s.LagSeconds < 0 {
		c.Fault("server_lag_seconds", `"server_lag_seconds" is a number of seconds, not below 0`)
	}
	if s.ProbePort < 0 || s.ProbePort > 65535 {
		c.Fault("server_probe_port", `"server_probe_port" is a port, from 1 to 65535`)
	}
	if s.ProbePort == 0 && s.ProbePath != "" {
		c.Fault("server_probe_path", `"server_probe_path" is of no use without "server_probe_port"`)
	}
}

// lag is how far replication may be behind.
func (s Settings) lag() time.Duration {
	if s.LagSeconds == 0 {
		return time.Minute
	}
	return time.Duration(s.LagSeconds) * time.Second
}

func settingsOf(p *runbook.Plan) (Settings, error) {
	return runbook.PartOf[Settings](p.Topology, Platform.Key) //nolint:wrapcheck // says which part cannot be read
}
