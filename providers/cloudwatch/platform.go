package cloudwatch

import (
	"cmp"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Platform is what stands under platform.cloudwatch in the settings; it may be left out.
var Platform = runbook.Part{Key: "cloudwatch", Example: Settings{
	MaxP99MS: 500, MinRequests: 100, Namespace: "ECommerce", Metric: "RequestLatency", ServiceDimension: "Service", Unit: "ms",
}}

// Settings say how fast answers have to come, and where that is told.
type Settings struct {
	// MaxP99MS is what 99 of 100 answers have to stay below, in milliseconds; 0 means 500.
	MaxP99MS int `yaml:"max_p99_ms,omitempty" json:"max_p99_ms,omitempty"`
	// MinRequests is how many requests within 5 minutes it takes to say so; 0 means 100.
	MinRequests int `yaml:"min_requests,omitempty" json:"min_requests,omitempty"`
	// Namespace, Metric and ServiceDimension are a metric of the platform's own that has the
	// time of an answer by service, each service by its name; all empty: the load balancer's
	// target groups are looked at, of which one may serve them all.
	Namespace        string `yaml:"metric_namespace,omitempty" json:"metric_namespace,omitempty"`
	Metric           string `yaml:"metric,omitempty" json:"metric,omitempty"`
	ServiceDimension string `yaml:"service_dimension,omitempty" json:"service_dimension,omitempty"`
	// Unit of that metric: s or ms; empty means ms.
	Unit string `yaml:"unit,omitempty" json:"unit,omitempty"`
}

// Check finds what cannot be right.
func (s Settings) Check(c runbook.Checks) {
	c.Least("max_p99_ms", s.MaxP99MS, 0)
	c.Least("min_requests", s.MinRequests, 0)
	own := []string{s.Namespace, s.Metric, s.ServiceDimension}
	for i, key := range []string{"metric_namespace", "metric", "service_dimension"} {
		if own[i] == "" && (s.Namespace+s.Metric+s.ServiceDimension) != "" {
			c.Fault(key, `"metric_namespace", "metric" and "service_dimension" name one metric: %q is missing`, key)
		}
	}
	if s.Unit != "" && s.Unit != "s" && s.Unit != "ms" {
		c.Fault("unit", `"unit" is s or ms`)
	}
}

func (s Settings) limit() float64 { return float64(cmp.Or(s.MaxP99MS, 500)) }
func (s Settings) least() float64 { return float64(cmp.Or(s.MinRequests, 100)) }

// scale is how many milliseconds the metric's unit has.
func (s Settings) scale() float64 {
	if s.Unit == "s" {
		return 1000
	}
	return 1
}
