"""One training step, the running mean of the weights, and the checkpoint."""

import math
import os

import torch
import torch.nn.functional as F

from model import CLIP, configuration, pixel_values
from training_heads import TrainingHeads

_WARM_UP_STEPS = 300


class Trainer:
    """Trains a CLIP with its heads. One thread uses it.

    step() is deterministic given the weights, the batch, the planned part and the number of torch threads;
    save() and load() keep everything it depends on, so a resumed training takes the same steps as an
    uninterrupted one.
    """

    def __init__(
        self, seed=1, learning_rate=1.5e-3, weight_decay=0.05, mean_decay=0.999, vision_layers=5, tap=2
    ):
        """mean_decay: of the running mean of the weights, which is what gets exported.

        tap: vision layer whose patches the dense head reads.
        """
        torch.manual_seed(seed)
        self.config = configuration(vision_layers=vision_layers)
        self.model = CLIP(self.config)
        self._mean_model = CLIP(self.config)
        self.heads = TrainingHeads(self.config['vision_config']['hidden_size'], self.config['projection_dim'])
        self._learning_rate, self._mean_decay, self._tap = learning_rate, mean_decay, tap
        self._trained = list(self.model.named_parameters()) + list(self.heads.named_parameters())

        def decays(name, parameter):
            return parameter.ndim >= 2 and 'embedding' not in name  # matrices only

        self.optimizer = torch.optim.AdamW(
            [
                dict(params=[p for n, p in self._trained if decays(n, p)], weight_decay=weight_decay),
                dict(params=[p for n, p in self._trained if not decays(n, p)], weight_decay=0.0),
            ],
            lr=learning_rate,
            betas=(0.9, 0.98),
            foreach=True,
        )
        self._weights = list(self.model.parameters())
        self._mean = [weight.detach().clone() for weight in self._weights]
        self.steps = 0
        self.pictures = 0
        self.seconds = 0.0  # of training, over all calls; the caller adds to it

    def parameter_count(self):
        return sum(weight.numel() for weight in self._weights)

    def step(self, batch, planned):
        """Trains on one batches.Batch. planned: part of the planned length done, 0..1.

        Returns the losses and the gradient's norm as a dict of floats.
        """
        rate = self._learning_rate * min(1, (self.steps + 1) / _WARM_UP_STEPS)
        rate *= 0.5 * (1 + math.cos(math.pi * min(1, planned))) + 0.005
        for group in self.optimizer.param_groups:
            group['lr'] = rate
        loss, parts = self._loss(batch, planned)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self._trained], 1.0)
        self.optimizer.step()
        self.model.logit_scale.data.clamp_(0, math.log(100))
        self.steps += 1
        self.pictures += len(batch.pictures)
        with torch.no_grad():
            keep = min(self._mean_decay, (1 + self.steps) / (10 + self.steps))  # follows closely at first
            torch._foreach_mul_(self._mean, keep)
            torch._foreach_add_(self._mean, self._weights, alpha=1 - keep)
        return {name: value.item() for name, value in dict(parts, gradient=norm).items()}

    def _loss(self, batch, planned):
        """Contrastive loss over the full truth matrix, every caption against every picture, plus the heads'
        losses."""
        n = len(batch.pictures)
        truth = torch.from_numpy(batch.truth)
        true = (truth == 1).float()
        captions_true, pictures_true = true.sum(1), true.sum(
            0
        )  # how many are true of each caption, each picture
        pooled, patches = self.model.vision_model(pixel_values(batch.pictures), tap=self._tap)
        images = self.model.visual_projection(pooled)
        ids = (torch.from_numpy(batch.full_ids), torch.from_numpy(batch.short_ids))
        texts = self.model.text_projection(torch.cat([self.model.text_model(each) for each in ids]))
        logits = self.model.logit_scale.exp() * F.normalize(texts, dim=-1) @ F.normalize(images, dim=-1).t()
        logits = logits.masked_fill(truth == -1, -1e4)  # the undecided are left out
        text_to_image = -(true * logits.log_softmax(1)).sum(1) / captions_true.clamp(min=1)
        text_to_image = text_to_image.sum() / (captions_true > 0).sum()
        image_to_text = (-(true * logits.log_softmax(0)).sum(0) / pictures_true.clamp(min=1)).mean()

        labels = {name: torch.from_numpy(label) for name, label in batch.labels.items()}
        texture_said = torch.from_numpy(batch.texture_said).long().masked_fill(labels['texture'] < 0, -1)
        on_patches = self.heads.patch_loss(patches, torch.from_numpy(batch.patch_labels))
        on_images = self.heads.embedding_loss(images, labels)
        on_texts = self.heads.embedding_loss(texts[:n], dict(labels, texture=texture_said))
        share = 0.35 + 0.65 * max(0, 1 - planned / 0.8)  # the heads matter most at first
        heads = 0.6 * on_patches + 0.35 * on_images + 0.15 * on_texts
        parts = dict(
            text_to_image=text_to_image,
            image_to_text=image_to_text,
            patches=on_patches,
            images=on_images,
            texts=on_texts,
        )
        return text_to_image + image_to_text + share * heads, parts

    def mean_model(self):
        """The model with the running mean of the weights; valid until the next step."""
        with torch.no_grad():
            for parameter, mean in zip(self._mean_model.parameters(), self._mean):
                parameter.copy_(mean)
        return self._mean_model

    def save(self, path):
        """Writes the checkpoint beside `path` and renames it, so that an interruption leaves the old one
        whole."""
        state = dict(
            model=self.model.state_dict(),
            heads=self.heads.state_dict(),
            optimizer=self.optimizer.state_dict(),
            mean=self._mean,
            mean_model=self.mean_model().state_dict(),
            steps=self.steps,
            pictures=self.pictures,
            seconds=self.seconds,
            config=self.config,
        )
        torch.save(state, path + '.new')
        os.replace(path + '.new', path)

    def load(self, path):
        state = torch.load(path)
        self.model.load_state_dict(state['model'])
        self.heads.load_state_dict(state['heads'])
        self.optimizer.load_state_dict(state['optimizer'])
        self._mean = state['mean']
        self.steps, self.pictures, self.seconds = state['steps'], state['pictures'], state['seconds']
