package aurora

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Answers asks RDS in one Region for the cluster that belongs there, once. Nil says
// that the API answered, be it with a refusal; an error says that it did not, or that
// it could not be asked ([awserr.Unsigned]).
func (a *Aurora) Answers(ctx context.Context, t runbook.Topology, region string) error {
	db, err := runbook.PartOf[Settings](t, Platform.Key)
	if err != nil {
		return err
	}
	_, err = a.rds(region).DescribeDBClusters(ctx, &rds.DescribeDBClustersInput{
		DBClusterIdentifier: aws.String(db.Regions[region].DBCluster),
	}, once)
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); err == nil || ok && answer.HTTPStatusCode() < http.StatusInternalServerError {
		return nil
	}
	return awserr.SortRead(ctx, err)
}
