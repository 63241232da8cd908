package velero

import (
	"github.com/failoverbot/failoverbot/incident/engine"
)

// may are the rights to ask Velero for a restore in the target.
func may(c engine.Call) ([]engine.Right, error) {
	_, namespace, err := settingsOf(c.Plan)
	if err != nil {
		return nil, err
	}
	return engine.ByKubernetes(c.Plan.Target.Name, namespace, "create", "restores.velero.io", ""), nil
}
