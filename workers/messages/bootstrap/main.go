// Command bootstrap is the messages worker as a Lambda function.
package main

import (
	"sluice/workers/messages"
	"sluice/workers/setup"
)

func main() { setup.Start("messages", messages.New) }
