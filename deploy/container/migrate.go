package main

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sluice/deploy/internal/addresses"
	"sluice/pipeline/dynamotable"
	"sluice/workers/setup"
)

// migrateVerb is the argument that migrates the records instead of running
// functions.
const migrateVerb = "migrate-addresses"

// migrateSettings are the settings of a migration.
type migrateSettings struct {
	RecordsTable string `env:"RECORDS_TABLE,required,notEmpty"`
}

// migrateAddresses moves the records of RECORDS_TABLE that were written before
// e-mail addresses were normalised. Its error has the number of those that it
// leaves.
func migrateAddresses(ctx context.Context, environ map[string]string, out io.Writer) error {
	c, err := setup.Read[migrateSettings](environ)
	if err != nil {
		return err
	}
	cfg, err := setup.AWS(ctx)
	if err != nil {
		return err
	}
	db := dynamodb.NewFromConfig(cfg)
	report, err := addresses.Migrate(ctx, dynamotable.Scan(ctx, db, c.RecordsTable), dynamotable.New(db, c.RecordsTable, dynamotable.Options{}))
	fmt.Fprintf(out, "moved %d records\n", report.Moved)
	for _, key := range report.Kept {
		fmt.Fprintf(out, "kept  %q: another record has its lower-case key\n", key)
	}
	if err == nil && len(report.Kept) > 0 {
		err = fmt.Errorf("%d records were not moved", len(report.Kept))
	}
	return err
}
