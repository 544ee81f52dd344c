// Exports one reading, and prints every state until the end.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

type export struct {
	ID          string `json:"id"`
	State       string `json:"state"`
	ExtResponse struct {
		Status string `json:"status"`
		Body   string `json:"body"`
	} `json:"ext_response"`
}

func post(content map[string]any) export {
	body, err := json.Marshal(content)
	if err != nil {
		log.Fatal(err)
	}
	url := os.Getenv("EXPORT_URL") + "/lp/export?timeout=30"
	request, err := http.NewRequest("POST", url, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("X-Api-Key", os.Getenv("EXPORT_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		problem, _ := io.ReadAll(response.Body)
		log.Fatalf("refused: %s", problem)
	}
	var answer export
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	return answer
}

func main() {
	now := post(map[string]any{
		"uri":  os.Getenv("DESTINATION"),
		"data": map[string]any{"celsius": 21.5},
	})
	fmt.Println(now.State)
	for now.State != "Finished" {
		now = post(map[string]any{"id": now.ID})
		fmt.Println(now.State, now.ExtResponse.Status, now.ExtResponse.Body)
	}
}
