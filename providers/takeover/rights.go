package takeover

import (
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// mayOf are the rights to do that to the takeover object of a plan's target.
func mayOf(does string, p *runbook.Plan) ([]engine.Right, error) {
	at, err := objectOf(p)
	if err != nil {
		return nil, err
	}
	return engine.ByIAM(p.Target.Name, does, "arn:"+p.Target.Partition()+":s3:::"+at.bucket+"/"+at.key), nil
}

// Rights are those to put the object. What the bucket's own policy says beside it IAM does
// not know.
func (t *Takeover) Rights(c engine.Call) ([]engine.Right, error) {
	return mayOf("s3:PutObject", c.Plan)
}

// Rights are those to delete the object of the Region that is left.
func (r Remove) Rights(c engine.Call) ([]engine.Right, error) {
	return mayOf("s3:DeleteObject", c.Plan.Turned())
}
